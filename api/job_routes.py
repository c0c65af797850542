"""Routes of jobs: list, show, cancel, try again, the log, and training curves."""

from __future__ import annotations

from typing import Annotated

from litestar import Controller, get, post
from litestar.params import QueryParameter
from sqlmodel import Session, select

from api.describe import curves_of, job_info, job_steps
from api.jobs import refuse_unprocessed
from api.parameters import LARGEST_ID, CharacterFilter, JobNumber, Limit, Offset, WorldDependency, one_of
from api.schemas_jobs import Curves, JobDetail, JobInfo, JobLog, JobPage
from api.strictness import refuse_unknown_parameters
from daemon import characters, curves, forecast, job_log, queue
from daemon.errors import ConflictError
from daemon.staleness import JobKind
from daemon.tables import Character, Job, Status
from daemon.world import World

Kind = Annotated[str, QueryParameter(enum=["", *JobKind], description="only jobs of this kind")]
Standing = Annotated[str, QueryParameter(enum=["", *Status], description="only jobs that stand so")]
Tail = Annotated[int, QueryParameter(ge=1, le=5000, description="how many of the newest lines")]
AfterStep = Annotated[
    int, QueryParameter(ge=0, le=LARGEST_ID, description="only points behind this step of the training")
]
Training = Annotated[
    str, QueryParameter(enum=["", *curves.Training], description="one of the two trainings; left out: both")
]


class JobController(Controller):
    """Following and steering jobs."""

    path = "/jobs"
    tags = ("jobs",)
    guards = (refuse_unknown_parameters,)

    @get("/", operation_id="listJobs", sync_to_thread=True)
    def list_all(
        self,
        world: WorldDependency,
        character: CharacterFilter = "",
        kind: Kind = "",
        status: Standing = "",
        limit: Limit = 50,
        offset: Offset = 0,
    ) -> JobPage:
        """List jobs, newest first."""
        with world.database.read() as session:
            mine = characters.get(session, character).id if character else None
            wanted = queue.Wanted(mine, one_of(JobKind, "kind", kind), one_of(Status, "status", status))
            found = queue.listing(session, wanted, limit, offset)
        return JobPage(jobs=[job_info(job, name) for job, name in found])

    @get("/{job_id:int}", operation_id="showJob", sync_to_thread=True)
    def show(self, world: WorldDependency, job_id: JobNumber) -> JobDetail:
        """Show a job with its steps and the time that is left."""
        with world.database.read() as session:
            job = queue.get(session, job_id)
            return _detail(world, session, job)

    @post("/{job_id:int}/cancel", operation_id="cancelJob", status_code=200, sync_to_thread=True)
    def cancel(self, world: WorldDependency, job_id: JobNumber) -> JobInfo:
        """Cancel a job: at once while it waits; a running one is `cancelled` when its processes have ended."""
        with world.database.write() as session:
            job = queue.get(session, job_id)
            if job.status in (Status.COMPLETED, Status.FAILED):
                raise ConflictError(f"job {job_id} is {job.status} already; there is nothing to cancel")
            queue.request_cancel(session, job)
            return job_info(job, session.get_one(Character, job.character_id).name)

    @post("/{job_id:int}/retry", operation_id="retryJob", status_code=200, sync_to_thread=True)
    def retry(self, world: WorldDependency, job_id: JobNumber) -> JobInfo:
        """Queue the work of an ended job as a new job; one that waits or runs already is answered as it is."""
        with world.database.write() as session:
            old = queue.get(session, job_id)
            if old.status in queue.ACTIVE:
                raise ConflictError(f"job {job_id} is {old.status}; there is nothing to try again")
            character = session.get_one(Character, old.character_id)
            if old.kind == JobKind.TRAIN:
                refuse_unprocessed(world, session, character)
            new = queue.retry(session, old)
            session.flush()
            return job_info(new, character.name)

    @get("/{job_id:int}/log", operation_id="showJobLog", sync_to_thread=True)
    def log(self, world: WorldDependency, job_id: JobNumber, tail: Tail = 200) -> JobLog:
        """Show the newest lines of a job's log."""
        with world.database.read() as session:
            job = queue.get(session, job_id)
        found = job_log.tail(world.layout, job, tail)
        return JobLog(job_id=job_id, lines=list(found.lines), size_bytes=found.size_bytes)

    @get("/{job_id:int}/metrics", operation_id="showTrainingCurves", sync_to_thread=True)
    def metrics(
        self,
        world: WorldDependency,
        job_id: JobNumber,
        step: Training = "",
        after: AfterStep = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=10_000, description="points a training at most")] = 1000,
    ) -> Curves:
        """Show the losses of a training as they grow; ask again with `after` for what came since."""
        with world.database.read() as session:
            job = queue.get(session, job_id)
            files = curves.files_of(session, world.layout, job)
        one = one_of(curves.Training, "step", step)
        wanted = (one,) if one is not None else tuple(curves.Training)
        return Curves(job_id=job_id, curves=curves_of(files, wanted, after, limit))


def _detail(world: World, session: Session, job: Job) -> JobDetail:
    character = session.exec(select(Character).where(Character.id == job.character_id)).one()
    info = job_info(job, character.name)
    return JobDetail(
        **{name: getattr(info, name) for name in info.__struct_fields__},
        steps=job_steps(session, world.settings, character, job),
        seconds_left=forecast.seconds_left(session, world.settings, character, job),
    )
