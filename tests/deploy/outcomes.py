"""What a part of tests/deploy written in Python prints: `ok - what` or `not ok - what` for each function that it plays.

    scene = Outcomes()

    @scene("three hosts become a cluster")
    def _():
        assert ...
        return "after 3.1 s"

    sys.exit(scene.status())

A function is played where it stands, and passes if it does not raise. What it returns is told below its line. Where there is no engine
`tests/deploy/kubernetes` and `session_store` count the lines with the decorator, so it stands alone on its line.
"""

import traceback


class Outcomes:
    def __init__(self):
        self.failed = 0

    def __call__(self, what):
        def play(function):
            try:
                told = function()
            except Exception:
                self.failed += 1
                told = traceback.format_exc()
                print(f"not ok - {what}", flush=True)
            else:
                print(f"ok - {what}", flush=True)
            if told:
                print("    " + told.replace("\n", "\n    "), flush=True)
        return play

    def status(self):
        """The status to end with."""
        return 1 if self.failed else 0
