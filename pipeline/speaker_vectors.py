"""extract_speaker_vectors: nothing to do for families without a speaker vector."""

from __future__ import annotations

from GPT_SoVITS.content import require_supported
from GPT_SoVITS.families import family
from pipeline.context import StepContext


def run(context: StepContext) -> None:
    """Note that the family uses no speaker vectors.

    Raises:
        ModelMissingError: the family uses them, and this version cannot make them.
    """
    chosen = family(context.inputs.config.family)
    if not chosen.uses_speaker_vector:
        context.notes.append("not used by this family")
        return
    require_supported(chosen, context.inputs.config.models_dir)
