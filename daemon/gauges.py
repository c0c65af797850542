"""The figures of the service for /metrics, read from the database, the disk and the kernel when somebody asks."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator

import psutil
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlmodel import Session, col, func, select

from daemon import health, lock, migrate
from daemon.tables import AudioFile, Character, Inference, Job, ServiceState, Status, Voice, now
from daemon.world import World

_STORED = (Status.PENDING, Status.RUNNING, Status.COMPLETED, Status.FAILED, Status.CANCELLED)
_KINDS = ("process", "train")


class ServiceCollector(Collector):
    """Collects the figures. Labels are fixed words or device numbers, never names that people chose."""

    def __init__(self, world: World) -> None:
        self._world = world

    def collect(self) -> Iterable[Metric]:
        """Yield all figures; without a prepared database only those of the machine."""
        yield from self._machine()
        if not migrate.revision_matches(self._world.database):
            yield _gauge("sovits_up", "Whether the daemon works.", 0)
            return
        with self._world.database.read() as session:
            yield from _stock(session)
            yield from _work(session)
            yield from self._daemon(session)

    def describe(self) -> Iterable[Metric]:
        """Yield nothing: figures are only read when they are asked for."""
        return ()

    def _machine(self) -> Iterator[Metric]:
        layout = self._world.layout
        free = GaugeMetricFamily("sovits_disk_free_bytes", "Free space.", labels=["folder"])
        for name, folder in (("work_dir", layout.work_dir), ("inbox", layout.inbox_dir)):
            if folder.exists():
                free.add_metric([name], shutil.disk_usage(folder).free)
        yield free
        yield _gauge("sovits_memory_available_bytes", "Memory that is left.", psutil.virtual_memory().available)
        yield _gauge("sovits_load_per_core", "Load average of a minute by cores.", psutil.getloadavg()[0] / _cores())

    def _daemon(self, session: Session) -> Iterator[Metric]:
        state = session.get(ServiceState, "daemon")
        alive = lock.is_held(self._world.layout.lock) and health.beat_is_fresh(state)
        yield _gauge("sovits_up", "Whether the daemon works.", int(alive))
        well = GaugeMetricFamily("sovits_part_healthy", "Whether a part of the daemon works.", labels=["part"])
        for name, value in (state.value.get("health", {}) if state is not None and alive else {}).items():
            well.add_metric([name], int(value))
        yield well
        yield from _devices(session)
        pid = state.value.get("pid") if state is not None and alive else None
        if isinstance(pid, int) and psutil.pid_exists(pid):
            resident = psutil.Process(pid).memory_info().rss
            yield _gauge("sovits_daemon_memory_bytes", "Resident memory of the daemon.", resident)


def _stock(session: Session) -> Iterator[Metric]:
    counted = session.exec(select(func.count(), func.sum(AudioFile.size_bytes), func.sum(AudioFile.duration_s))).one()
    yield _gauge("sovits_characters", "Characters.", session.exec(select(func.count(col(Character.id)))).one())
    yield _gauge("sovits_recordings", "Recordings.", session.exec(select(func.count(col(AudioFile.id)))).one())
    yield _gauge("sovits_recordings_bytes", "Their size.", counted[1] or 0)
    yield _gauge("sovits_recordings_seconds", "Their duration.", counted[2] or 0)
    yield _gauge("sovits_voices", "Finished voices.", session.exec(select(func.count(col(Voice.id)))).one())


def _work(session: Session) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("sovits_jobs", "Jobs on record.", labels=["kind", "status"])
    found = {
        (kind, status): count
        for kind, status, count in session.exec(
            select(Job.kind, Job.status, func.count()).group_by(col(Job.kind), col(Job.status))
        ).all()
    }
    for kind in _KINDS:
        for status in _STORED:
            jobs.add_metric([kind, status.value], found.get((kind, status.value), 0))
    yield jobs
    sentences = GaugeMetricFamily("sovits_sentences", "Sentences on record.", labels=["status"])
    spoken = dict(session.exec(select(Inference.status, func.count()).group_by(col(Inference.status))).all())
    for status in _STORED:
        sentences.add_metric([status.value], spoken.get(status.value, 0))
    yield sentences
    waiting = GaugeMetricFamily("sovits_oldest_waiting_seconds", "Age of the oldest that waits.", labels=["queue"])
    for name, table in (("jobs", Job), ("sentences", Inference)):
        query = select(func.min(table.created_at)).where(table.status == Status.PENDING)  # type: ignore[attr-defined]
        oldest = session.exec(query).one()
        waiting.add_metric([name], max(0.0, (now() - oldest).total_seconds()) if oldest else 0.0)
    yield waiting


def _devices(session: Session) -> Iterator[Metric]:
    state = session.get(ServiceState, "gpus")
    used = GaugeMetricFamily("sovits_gpu_memory_used_bytes", "Memory in use.", labels=["gpu"])
    total = GaugeMetricFamily("sovits_gpu_memory_bytes", "Memory in all.", labels=["gpu"])
    busy = GaugeMetricFamily("sovits_gpu_busy_ratio", "Share of the time it works.", labels=["gpu"])
    for number, facts in (state.value if state is not None else {}).items():
        used.add_metric([number], facts["memory_used_bytes"])
        total.add_metric([number], facts["memory_bytes"])
        busy.add_metric([number], facts["busy_ratio"])
    yield from (used, total, busy)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=float(value))


def _cores() -> int:
    return psutil.cpu_count() or 1
