"""What the workers of test_queues.py do: jobs of rq and tasks of Celery. PORT is that of the node."""

import os
import time

from celery import Celery
from redis import Redis

URL = f"redis://127.0.0.1:{os.environ.get('PORT', 6379)}"

app = Celery("queue_jobs", broker=f"{URL}/1", backend=f"{URL}/2")
app.conf.update(worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True, task_ignore_result=False)
store = Redis.from_url(URL)


def double(n):
    store.rpush("done", n)
    return n * 2


def note(n):
    store.rpush("begun", f"{n} {time.time()}")


def flaky(name):
    """Fails the first two times."""
    if store.incr(f"tries:{name}") < 3:
        raise ValueError("not yet")
    return "well"


def hopeless():
    store.incr("tries:hopeless")
    raise ValueError("never")


def total(numbers):
    return sum(numbers)


double_task = app.task(double, name="double")
note_task = app.task(note, name="note")
limited_task = app.task(note, name="limited", rate_limit="10/s")
flaky_task = app.task(flaky, name="flaky", autoretry_for=(ValueError,), retry_backoff=False, default_retry_delay=0.05, max_retries=5)
hopeless_task = app.task(hopeless, name="hopeless", autoretry_for=(ValueError,), default_retry_delay=0.05, max_retries=2)
total_task = app.task(total, name="total")
