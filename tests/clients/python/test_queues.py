"""rq and Celery (with Redis as broker and for results) on a lone node: neither speaks to a cluster."""

import os
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import celery
import pytest
import rq
from redis import Redis, ResponseError

HERE = Path(__file__).parent


def until(what, is_true, limit=30):
    deadline = time.monotonic() + limit
    while not is_true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    directory = tmp_path_factory.mktemp("node")
    command = [os.environ["SLOTD_BIN"], "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory), "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers():
        assert process.poll() is None, "slotd ended before it was ready"
        with socket.socket() as tried:
            return tried.connect_ex(("127.0.0.1", port)) == 0

    until("slotd is ready", answers)
    yield port
    process.terminate()
    assert process.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def workers(port):
    """Starts workers, and ends them all."""
    running = []

    def start(*words):
        environment = {**os.environ, "PORT": str(port), "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1"}
        running.append(subprocess.Popen([sys.executable, "-m", *words], env=environment, cwd=HERE))

    yield start
    for process in running:
        process.terminate()
    for process in running:
        process.wait(timeout=30)


@pytest.fixture(scope="module")
def rq_queue(port, workers):
    url = f"redis://127.0.0.1:{port}"
    for _ in range(2):
        workers("rq.cli", "worker", "--url", url, "--with-scheduler", "--quiet", "work")
    return rq.Queue("work", connection=Redis(port=port))


@pytest.fixture(scope="module")
def tasks(port, workers):
    os.environ["PORT"] = str(port)
    import queue_jobs

    quiet = ["--loglevel=ERROR", "--without-mingle", "--without-gossip", "--without-heartbeat"]
    workers("celery", "-A", "queue_jobs", "worker", "--concurrency=2", "--pool=prefork", *quiet)
    return queue_jobs


@pytest.fixture
def store(port):
    """The database in which jobs leave their marks."""
    with Redis(port=port, decode_responses=True) as client:
        for key in [*client.scan_iter("tries:*"), "done", "begun"]:
            client.delete(key)
        yield client


def begun(store):
    return [(int(n), float(at)) for n, at in (entry.split() for entry in store.lrange("begun", 0, -1))]


def numbers_done(store):
    return sorted(int(n) for n in store.lrange("done", 0, -1))


def test_jobs_of_rq_are_done_exactly_once(rq_queue, store):
    jobs = [rq_queue.enqueue("queue_jobs.double", n) for n in range(40)]
    until("all jobs are done", lambda: all(job.get_status() == "finished" for job in jobs))
    assert numbers_done(store) == list(range(40))
    assert [job.return_value() for job in jobs] == [2 * n for n in range(40)]
    assert [len(rq_queue), rq_queue.started_job_registry.count, rq_queue.failed_job_registry.count] == [0, 0, 0]


def test_jobs_of_rq_that_depend_on_others_wait_for_them(rq_queue, store):
    first = rq_queue.enqueue("queue_jobs.double", 1)
    second = rq_queue.enqueue("queue_jobs.double", 2, depends_on=first)
    third = rq_queue.enqueue("queue_jobs.double", 3, depends_on=[first, second])
    until("all jobs are done", lambda: third.get_status() == "finished")
    assert store.lrange("done", 0, -1) == ["1", "2", "3"]


def test_jobs_of_rq_that_fail_are_tried_again(rq_queue, store):
    mended = rq_queue.enqueue("queue_jobs.flaky", "rq", retry=rq.Retry(max=4))
    given_up = rq_queue.enqueue("queue_jobs.hopeless", retry=rq.Retry(max=2))
    until("one is done", lambda: mended.get_status() == "finished")
    until("one is given up", lambda: given_up.get_status() == "failed")
    assert [store.get("tries:rq"), store.get("tries:hopeless")] == ["3", "3"]
    assert mended.return_value() == "well"
    assert given_up.id in rq_queue.failed_job_registry


def test_delayed_jobs_of_rq_begin_when_it_is_time(rq_queue, store):
    sent = time.time()
    rq_queue.enqueue_in(timedelta(seconds=2), "queue_jobs.note", 1)
    assert rq_queue.scheduled_job_registry.count == 1
    until("it has begun", lambda: begun(store))
    [(number, at)] = begun(store)
    # It counts in whole seconds.
    assert number == 1 and at >= sent + 1


def test_tasks_of_celery_are_done_exactly_once(tasks, store):
    results = [tasks.double_task.delay(n) for n in range(200)]
    assert [result.get(timeout=30) for result in results] == [2 * n for n in range(200)]
    assert numbers_done(store) == list(range(200))


def test_groups_and_chords_of_celery(tasks, store):
    assert celery.group(tasks.double_task.s(n) for n in range(10))().get(timeout=30) == [2 * n for n in range(10)]
    chord = celery.chord([tasks.double_task.s(n) for n in range(10)], tasks.total_task.s())
    assert chord().get(timeout=30) == 90
    assert celery.chain(tasks.double_task.s(1), tasks.double_task.s(), tasks.double_task.s())().get(timeout=30) == 8


def test_tasks_of_celery_that_fail_are_tried_again(tasks, store):
    mended, given_up = tasks.flaky_task.delay("celery"), tasks.hopeless_task.delay()
    assert mended.get(timeout=30) == "well"
    with pytest.raises(ValueError, match="never"):
        given_up.get(timeout=30)
    assert [store.get("tries:celery"), store.get("tries:hopeless")] == ["3", "3"]


def test_delayed_tasks_of_celery_begin_when_it_is_time(tasks, store):
    sent = time.time()
    for n in range(3):
        tasks.note_task.apply_async((n,), countdown=0.9 - 0.3 * n)
    until("all have begun", lambda: len(begun(store)) == 3)
    assert [n for n, _ in begun(store)] == [2, 1, 0]
    assert all(at >= sent + 0.9 - 0.3 * n for n, at in begun(store))


def test_a_rate_limit_of_celery_holds(tasks, store):
    for n in range(10):
        tasks.limited_task.delay(n)
    until("all have begun", lambda: len(begun(store)) == 10)
    times = sorted(at for _, at in begun(store))
    assert times[9] - times[0] >= 0.7


def test_a_script_that_loops_in_another_slot_stops_neither(rq_queue, tasks, store, port):
    text = "if ARGV[1] == '1' then while true do end end return 0"
    # The first time a script runs alone, until slotd knows what it uses.
    assert store.eval(text, 1, "looped", "0") == 0
    said = []

    def loop():
        try:
            with Redis(port=port, socket_timeout=60) as client:
                client.eval(text, 1, "looped", "1")
        except ResponseError as problem:
            said.append(str(problem))

    thread = threading.Thread(target=loop)
    thread.start()
    time.sleep(0.2)
    job = rq_queue.enqueue("queue_jobs.double", 1)
    assert tasks.double_task.delay(2).get(timeout=30) == 4
    until("the job is done", lambda: job.get_status() == "finished")
    assert said == [] and thread.is_alive()
    assert store.script_kill()
    thread.join(timeout=10)
    assert "Script killed by user" in said[0]
