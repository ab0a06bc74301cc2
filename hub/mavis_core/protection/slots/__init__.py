"""When a plan wants something done: wall clocks, schedules, blackouts and what is due. Pure."""
