"""``python -m mavis_kernel`` is the command ``mavis``."""

from mavis_kernel.cli import main

main()
