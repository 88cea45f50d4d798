"""`aape` in a process that starts the later the higher its rank, as on a busy cluster."""

import os
import sys
import time

from aape_lightning.__main__ import main

if __name__ == "__main__":
    time.sleep(1.5 * int(os.environ["RANK"]))
    sys.exit(main())
