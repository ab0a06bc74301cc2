"""Start the simulator: ``python tests/cloud/server.py --port 0 --ready-file FILE``."""

import os
import sys
from pathlib import Path

if __name__ == "__main__":
    # moto reads this at import: without it 1,300 images and snapshots would be "ours"
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from cloud.simulator import main

    sys.exit(main())
