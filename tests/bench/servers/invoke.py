# Copyright: (c) 2026, PratikoAI
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stand in for Lambda's bootstrap: import MODULE, hand its handler the event of FILE, say what it answered, end."""

import importlib
import json
import os
import sys


class Context:
    """An invocation."""

    aws_request_id = "00000000-0000-4000-8000-000000000000"

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the function would be stopped."""
        return 29000


module, file = sys.argv[1:]
handler = importlib.import_module(module).handler
with open(file, encoding="utf-8") as stream:
    event = json.load(stream)
reply = handler(event, Context())
print(f"answered {reply['statusCode']}: {reply['body'][:2000]}", flush=True)
os._exit(0)  # a function is frozen after its reply: what an interpreter does to end is no part of it
