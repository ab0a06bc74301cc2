"""Who is compared in the benchmarks of protection, and how their cost is measured.

A contender that has to be measured by itself is a module that is run in a process of its own
(`measuring.apart`); it tells what it did as `measuring.Stretch` objects, one JSON line each.
"""
