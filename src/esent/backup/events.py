"""Where the events of backups and restores go: what the original writes into the event log of Windows."""

from __future__ import annotations

import logging

events = logging.getLogger("esent.backup")
events.addHandler(logging.NullHandler())  # silent unless the program configures logging
