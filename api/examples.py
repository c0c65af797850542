"""Examples of what goes over the wire, one a schema; a test holds them to the schemas."""

from __future__ import annotations

from typing import Any

NAME = "小明"
_CLIP = "你好.wav_0000000000_0000160000.wav"
_AT = "2026-01-05T08:30:00Z"
_LATER = "2026-01-05T08:31:40Z"
_CONFIG: dict[str, Any] = {
    "language": "zh", "batch_size": 16, "epochs_s2": 50, "epochs_s1": 15, "gpu_id": "0", "enable_denoise": True,
    "family": "auto",
}  # fmt: skip
_STATE: dict[str, Any] = {
    "character_name": NAME, "status": "running", "current_step": "slice_audio", "progress": 12.5, "started_at": _AT,
    "completed_at": None, "error_message": None,
}  # fmt: skip
_JOB: dict[str, Any] = {
    "job_id": 12, "character_name": NAME, "kind": "process", "origin": "api", "status": "running",
    "current_step": "slice_audio", "progress": 12.5, "attempt": 1, "cancel_requested": False, "created_at": _AT,
    "started_at": _AT, "completed_at": None, "error_code": None, "error_message": None,
}  # fmt: skip
_STEP: dict[str, Any] = {
    "step": "convert_audio", "status": "completed", "progress": 100.0, "started_at": _AT, "completed_at": _LATER,
    "seconds": 4.2, "items_in": 20, "items_out": 19, "redone": 20,
    "dropped": [{"item": "leer.wav", "reason": "the recording is silent"}], "note": "",
}  # fmt: skip
_CURVES = [
    {"step": "train_sovits", "points": [{"step": 1, "epoch": 1, "seconds": 0.8, "values": {"mel": 1.9, "kl": 2.1}}]},
    {"step": "train_gpt", "points": []},
]
_EVENT: dict[str, Any] = {
    "event_id": 321, "at": _AT, "kind": "step.finished", "character_name": NAME, "job_id": 12,
    "data": {"step": "convert_audio", "items_in": 20, "items_out": 19},
}  # fmt: skip
_CLIP_INFO: dict[str, Any] = {
    "clip": _CLIP, "recording": "你好.wav", "start": 0.0, "duration": 5.0, "state": "kept", "reason": None,
    "text": "你好，世界。", "language": "zh", "source": "asr", "confidence": 0.91,
    "scores": {"average_log_probability": -0.09}, "unedited_text": "你好，世界。", "unedited_language": "zh",
    "edited": False, "stale": False, "denoised": True,
}  # fmt: skip
_VOICE: dict[str, Any] = {
    "voice_id": 3, "character_name": NAME, "active": True, "created_at": _LATER, "job_id": 13, "family": "nano",
    "trained_from": "random weights", "input_hash": "5f0c9a", "config": {"epochs_s2": 50, "epochs_s1": 15},
    "metrics": {"gpt": {"epochs": 15}}, "note": "with the new recordings",
    "sovits_model_path": f"characters/{NAME}/models/{NAME}-5f0c9a1e_e50_s400.pth",
    "gpt_model_path": f"characters/{NAME}/models/{NAME}-77ab01cd-e15.ckpt", "on_disk": True,
}  # fmt: skip
_BATCH: dict[str, Any] = {
    "batch_id": "5d3c2a9e5b714d6e8a1b2c3d4e5f6073", "character_name": NAME, "status": "running", "format": "mp3",
    "created_at": _AT, "done": 1, "failed": 0, "total": 2,
}  # fmt: skip
_MODEL = {"object": "model", "id": "tts-1", "created": 0, "owned_by": "sovits-daemon"}

EXAMPLES: dict[str, Any] = {
    "ErrorBody": {"status_code": 404, "detail": f"character '{NAME}' does not exist"},
    "ServiceInfo": {"service": "sovits-daemon", "version": "0.1.0", "docs_url": "/docs"},
    "CreateCharacterBody": {"character_name": NAME, "config": {"language": "zh", "epochs_s2": 50}},
    "RenameBody": {"new_name": "小红"},
    "CharacterInfo": {
        "character_name": NAME, "config": {"character_name": NAME, **_CONFIG}, "created_at": _AT, "updated_at": _AT,
        "audio_count": 20, "audio_processing_status": "running", "training_status": "pending", "model_exists": False,
        "is_default": True,
    },
    "DefaultCharacter": {"default_character": NAME},
    "Done": {"message": f"character {NAME} was deleted", "success": True},
    "Uploaded": {"message": "stored", "filename": "你好.wav", "path": f"characters/{NAME}/raw_audio/你好.wav"},
    "FileDeleted": {"message": "你好.wav was deleted", "filename": "你好.wav", "success": True},
    "AudioFileInfo": {
        "filename": "你好.wav", "file_path": f"characters/{NAME}/raw_audio/你好.wav", "file_size": 320_044,
        "created_at": _AT, "modified_at": _AT, "duration": 5.0,
    },
    "AudioProcessingInfo": {**_STATE, "processed_audio_count": 4},
    "TrainingInfo": {
        **_STATE, "current_step": "train_sovits", "gpt_model_path": None, "sovits_model_path": None,
    },
    "CheckInfo": {
        "character_name": NAME, "status": "completed", "message": "all 84 results are on the disk and unharmed",
    },
    "InferenceBody": {
        "target_text": "你好，世界", "character_name": NAME, "target_language": "中文", "output_name": "hello",
    },
    "InferenceInfo": {
        "inference_id": "0f3c2a9e5b714d6e8a1b2c3d4e5f6071", "character_name": NAME, "target_text": "你好，世界",
        "status": "completed", "created_at": _AT, "completed_at": _LATER,
        "output_path": "inference/hello_0f3c2a9e5b714d6e8a1b2c3d4e5f6071.wav", "error_message": None, "progress": 100.0,
    },
    "Alive": {"status": "ok"},
    "Readiness": {
        "ready": False,
        "parts": [
            {"name": "database", "ready": True, "said": "revision 0004", "remedy": ""},
            {"name": "daemon", "ready": False, "said": "not running", "remedy": "systemctl start sovits-daemon"},
        ],
    },
    "BatchBody": {"texts": ["你好。", "再见。"], "character_name": NAME, "speed": 1.1, "format": "mp3"},
    "BatchInfo": _BATCH,
    "BatchDetail": {
        **_BATCH,
        "items": [
            {
                "inference_id": "0f3c2a9e5b714d6e8a1b2c3d4e5f6071", "name": "0001", "text": "你好。",
                "status": "completed", "error_message": None,
            },
            {
                "inference_id": "7b1c2a9e5b714d6e8a1b2c3d4e5f6072", "name": "0002", "text": "再见。",
                "status": "running", "error_message": None,
            },
        ],
    },
    "SpeechBody": {"model": "tts-1", "input": "你好，世界。", "voice": NAME, "response_format": "mp3"},
    "Model": _MODEL,
    "ModelList": {"object": "list", "data": [_MODEL]},
    "SpeechVoiceList": {
        "object": "list",
        "data": [{"object": "audio.voice", "id": NAME, "name": NAME, "created_at": 1_767_602_000}],
    },
    "OpenAiError": {
        "error": {
            "message": f"character '{NAME}' does not exist", "type": "not_found_error", "param": None,
            "code": "not_found",
        }
    },
    "JobInfo": _JOB,
    "JobPage": {"jobs": [_JOB]},
    "JobDetail": {**_JOB, "steps": [_STEP], "seconds_left": 92.0},
    "JobLog": {"job_id": 12, "lines": ["slice_audio: 20 items"], "size_bytes": 1045},
    "Curves": {"job_id": 13, "curves": _CURVES},
    "EventPage": {"events": [_EVENT], "latest": 321},
    "ClipInfo": _CLIP_INFO,
    "ClipPage": {"total": 1, "clips": [_CLIP_INFO]},
    "ClipEdit": {"text": "你好，世界！", "language": "zh"},
    "ListImported": {"changed": 3, "unchanged": 40, "unknown": ["foreign.wav"], "problems": []},
    "VoiceInfo": _VOICE,
    "VoicePage": {"voices": [_VOICE]},
    "VoiceNote": {"note": "with the new recordings"},
    "VoiceCurves": {"voice_id": 3, "curves": _CURVES},
    "DataReport": {
        "character_name": NAME, "recordings": 20, "recorded_seconds": 400.0, "clips": 70, "kept_clips": 66,
        "kept_seconds": 350.0, "losses": [{"reason": "no speech", "items": 4, "seconds": 12.0}],
        "clip_lengths": [{"start": 0.0, "end": 2.0, "clips": 3, "seconds": 4.8}],
        "snr_db": {"lowest": 21.0, "median": 34.5, "highest": 51.0}, "clipped_clips": 0, "languages": {"zh": 350.0},
        "transcript_confidence": 0.88, "unsure_clips": 2, "edited_clips": 1, "reference_clips": 48,
        "speaker_consistency": 0.89, "speaker_consistency_note": "", "stranger_clips": [],
        "advice": ["2 transcripts are uncertain; check them first: list the clips by confidence"],
    },
}  # fmt: skip
