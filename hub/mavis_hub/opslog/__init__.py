"""SQL over the log: each question in a process of its own that ends with it.

The writer of the log never carries out what a person wrote. It takes out the records that they may
see (`mavis_core.logs.extract`), and `desk` starts a walled process for one statement: `child`.
"""

from mavis_hub.opslog.desk import Limits, SqlDesk, walls_for

__all__ = ["Limits", "SqlDesk", "walls_for"]
