"""Runs one route of mq-bridge from a file until it is killed: `route.py FILE`."""

import sys

from mq_bridge import Route

Route.from_file(sys.argv[1]).run()
