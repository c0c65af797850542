"""What the harmonic decoder speaks from: pitch, spectral envelope and noisiness of a waveform, 100 frames a second.

Frame i stands for the samples around (i + 1/2) * `FRAME_SAMPLES` at 32 kHz. Letters in shape comments: N frames,
K bands of the envelope, A bands of noisiness.

Sources of the formulas: the autocorrelation of a windowed frame divided by that of the window (Boersma 1993), the
pitch-adaptive spectral envelope (CheapTrick, Morise 2015), the normalised correlation of band-passed speech one
period apart as its share of periodic power (mixed excitation, McCree and Barnwell 1995).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from GPT_SoVITS.audio import resample
from GPT_SoVITS.families import AudioConfig
from GPT_SoVITS.mel import mel_filter_bank

RATE_HZ = 32_000
FRAME_SAMPLES = 320
ENVELOPE_BANDS = 80
FFT_SAMPLES = 2048
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
NOISE_EDGES_HZ = (0, 1000, 2000, 3500, 5500, 8000, 16_000)
"""Borders of the bands that noisiness is told for."""
NOISE_BANDS = len(NOISE_EDGES_HZ) - 1
ENVELOPE_FLOOR = 1e-5
_PITCH_RATE_HZ = 8_000
_PITCH_WINDOW = 400
_PITCH_STATES = 160
_UNVOICED_SCORE = 0.45
_OCTAVE_COST = 0.02
_JUMP_COST = 0.5
_VOICING_COST = 0.1
_UNVOICED_HZ = 160.0
"""The envelope of an unvoiced frame is taken as if it had this pitch."""
_TOGETHER = 512
"""Frames whose envelopes are made at once, to bound the memory."""
_SMOOTHING_COMPENSATION = -0.15
_VOICED_BIAS = 0.2
"""Harmonics stand above the smoothed power by so much (natural logarithm); measured by analysis and synthesis."""


@dataclass(frozen=True, slots=True)
class Acoustics:
    """Frames of one waveform, or of a batch with a leading dimension. All float32."""

    pitch_hz: Tensor
    """[N]; in unvoiced frames the pitch runs on between its neighbours."""
    voiced: Tensor
    """[N]; 1 where voiced, 0 elsewhere; a prediction lies between."""
    envelope: Tensor
    """[K, N]: natural logarithm of the root of power density, so that white noise of variance 1 has 0 everywhere."""
    noise: Tensor
    """[A, N]: share of a band's power that is not periodic, 0..1; 1 in unvoiced frames."""


def analyse(samples: NDArray[np.float32]) -> Acoustics:
    """Measure a waveform float32 [samples], -1..1, at 32 kHz; it gives samples // 320 frames, at least one."""
    wave = torch.from_numpy(np.ascontiguousarray(samples))
    frames = max(1, wave.shape[0] // FRAME_SAMPLES)
    wave = F.pad(wave, (0, max(0, frames * FRAME_SAMPLES - wave.shape[0])))
    pitch_hz, voiced = _pitch(wave.numpy(), frames)
    envelope = _envelope(wave, torch.where(voiced > 0, pitch_hz, _UNVOICED_HZ)) - _VOICED_BIAS * voiced
    return Acoustics(pitch_hz, voiced, envelope, _noise(wave, pitch_hz, voiced))


def _cut(wave: Tensor, frames: int, hop: int, width: int) -> Tensor:
    """Return frames [N, width] of a wave [samples], each centred on (i + 1/2) * hop, with zeros outside."""
    left = width // 2 - hop // 2
    needed = (frames - 1) * hop + width
    padded = F.pad(wave, (left, max(0, needed - left - wave.shape[0])))
    return padded.unfold(0, width, hop)[:frames]


def _pitch(samples: NDArray[np.float32], frames: int) -> tuple[Tensor, Tensor]:
    """Return the pitch in Hz [N] and whether a frame is voiced [N], from the best path through all frames."""
    slow = torch.from_numpy(resample(samples, RATE_HZ, _PITCH_RATE_HZ))
    hop = FRAME_SAMPLES * _PITCH_RATE_HZ // RATE_HZ
    window = torch.hann_window(_PITCH_WINDOW)
    cut = _cut(slow, frames, hop, _PITCH_WINDOW)
    cut = (cut - cut.mean(dim=1, keepdim=True)) * window
    power = torch.fft.rfft(cut, 1024).abs().square()
    correlation = torch.fft.irfft(power)[:, : _PITCH_WINDOW // 2]
    reference = torch.fft.irfft(torch.fft.rfft(window, 1024).abs().square())[: _PITCH_WINDOW // 2]
    energy = correlation[:, :1]
    normal = correlation / (energy + 1e-6 * energy.max() + 1e-9) / (reference / reference[0])
    states_hz = torch.logspace(math.log10(LOWEST_HZ), math.log10(HIGHEST_HZ), _PITCH_STATES)
    lags = _PITCH_RATE_HZ / states_hz
    whole = lags.long()
    share = lags - whole
    strength = normal[:, whole] * (1 - share) + normal[:, whole + 1] * share
    strength = strength + _OCTAVE_COST * torch.log2(states_hz / LOWEST_HZ)
    quiet = (energy / energy.max().clamp(min=1e-9)).sqrt().clamp(max=0.03).div(0.03)
    path = _best_path(torch.cat([strength * quiet, strength.new_full((frames, 1), _UNVOICED_SCORE)], dim=1))
    voiced = (path < _PITCH_STATES).float()
    pitch_hz = states_hz[path.clamp(max=_PITCH_STATES - 1)]
    return _bridged(pitch_hz, voiced), voiced


def _best_path(scores: Tensor) -> Tensor:
    """Return the states int64 [N] of the best way through scores [N, states + 1]; the last state is `unvoiced`."""
    octaves = torch.linspace(0, math.log2(HIGHEST_HZ / LOWEST_HZ), _PITCH_STATES)
    cost = torch.full((_PITCH_STATES + 1, _PITCH_STATES + 1), _VOICING_COST)
    cost[:-1, :-1] = _JUMP_COST * (octaves[:, None] - octaves[None]).abs()
    cost[-1, -1] = 0
    best, came_from = scores[0], []
    for score in scores[1:]:
        before, origin = (best[:, None] - cost).max(dim=0)
        best = before + score
        came_from.append(origin)
    state = int(best.argmax())
    path = [state]
    for origin in reversed(came_from):
        state = int(origin[state])
        path.append(state)
    return torch.tensor(path[::-1])


def _bridged(pitch_hz: Tensor, voiced: Tensor) -> Tensor:
    """Lead the pitch through unvoiced frames in a straight line of its logarithm; 200 Hz where nothing is voiced."""
    known = voiced.nonzero().squeeze(1).numpy()
    if not len(known):
        return torch.full_like(pitch_hz, 200.0)
    places = np.arange(len(pitch_hz))
    return torch.from_numpy(np.exp(np.interp(places, known, pitch_hz.log().numpy()[known])).astype(np.float32))


@lru_cache(maxsize=1)
def band_weights() -> Tensor:
    """Return the weights [K, FFT_SAMPLES / 2 + 1] that average a spectrum into the envelope's bands (mel scale)."""
    audio = AudioConfig(RATE_HZ, FFT_SAMPLES, FRAME_SAMPLES, FFT_SAMPLES, ENVELOPE_BANDS)
    bank = mel_filter_bank(audio, torch.device("cpu"))
    return bank / bank.sum(dim=1, keepdim=True)


def _envelope(wave: Tensor, pitch_hz: Tensor) -> Tensor:
    """Return the smoothed envelope [K, N] of a wave under the pitch [N] of each frame."""
    parts = []
    cut = _cut(wave, pitch_hz.shape[0], FRAME_SAMPLES, int(3 * RATE_HZ / LOWEST_HZ))
    for start in range(0, len(cut), _TOGETHER):
        hz = pitch_hz[start : start + _TOGETHER].clamp(min=LOWEST_HZ)
        parts.append(_smooth_envelope(cut[start : start + _TOGETHER], hz) @ band_weights().T)
    return torch.cat(parts).T.contiguous()


def _smooth_envelope(cut: Tensor, pitch_hz: Tensor) -> Tensor:
    """Return log envelopes [N, bins] of frames [N, width]."""
    width = cut.shape[1]
    offset = (torch.arange(width) + 0.5 - width / 2) / RATE_HZ
    phase = offset[None] * pitch_hz[:, None] / 1.5  # three periods span -1..1
    window = torch.where(phase.abs() < 1, 0.5 + 0.5 * torch.cos(math.pi * phase), 0.0)
    power = torch.fft.rfft(cut * window, FFT_SAMPLES).abs().square()
    power = power / window.square().sum(dim=1, keepdim=True) + ENVELOPE_FLOOR**2
    bin_hz = RATE_HZ / FFT_SAMPLES
    smooth = _box_smoothed(power, pitch_hz * (2 / 3) / bin_hz)
    quefrency = torch.arange(FFT_SAMPLES) / RATE_HZ
    quefrency = torch.minimum(quefrency, FFT_SAMPLES / RATE_HZ - quefrency)
    turns = quefrency[None] * pitch_hz[:, None]
    lifter = torch.sinc(turns) * (
        1 - 2 * _SMOOTHING_COMPENSATION + 2 * _SMOOTHING_COMPENSATION * torch.cos(2 * math.pi * turns)
    )
    cepstrum = torch.fft.irfft(smooth.log().to(torch.complex64), FFT_SAMPLES)
    envelope: Tensor = 0.5 * torch.fft.rfft(cepstrum * lifter).real
    return envelope


def _box_smoothed(power: Tensor, bins: Tensor) -> Tensor:
    """Average power [N, F] over a box `bins` [N] wide around each bin, the spectrum mirrored at both ends."""
    count, margin = power.shape[1], 64
    mirrored = F.pad(power.unsqueeze(1), (margin, margin), mode="reflect").squeeze(1).double()
    total = F.pad(mirrored.cumsum(dim=1), (1, 0))
    centre = torch.arange(count, dtype=torch.float64) + margin + 0.5

    def at(place: Tensor) -> Tensor:
        whole = place.floor().long().clamp(0, total.shape[1] - 2)
        share = place - whole
        return total.gather(1, whole) * (1 - share) + total.gather(1, whole + 1) * share

    half = bins.double()[:, None] / 2
    return ((at(centre + half) - at(centre - half)) / (2 * half)).clamp(min=ENVELOPE_FLOOR**2).float()


def _noise(wave: Tensor, pitch_hz: Tensor, voiced: Tensor) -> Tensor:
    """Return the share of noise [A, N]: one minus the correlation of each band with itself a period later."""
    frames, width, longest = pitch_hz.shape[0], 512, int(RATE_HZ / LOWEST_HZ) + 2
    size = 1 << (wave.shape[0] + width).bit_length()
    spectrum = torch.fft.rfft(wave, size)
    bins_hz = torch.linspace(0, RATE_HZ / 2, spectrum.shape[0])
    lag = (RATE_HZ / pitch_hz).round().long()
    centre = (torch.arange(frames) * FRAME_SAMPLES + FRAME_SAMPLES // 2)[:, None]
    first = centre - lag[:, None] // 2 - width // 2 + torch.arange(width) + longest + width
    shares = []
    for low, high in zip(NOISE_EDGES_HZ, NOISE_EDGES_HZ[1:], strict=False):
        band = torch.fft.irfft(spectrum * ((bins_hz >= low) & (bins_hz < high)), size)[: wave.shape[0]]
        padded = F.pad(band, (longest + width, longest + width))
        here, later = padded[first], padded[first + lag[:, None]]
        power = (here.square().sum(dim=1) * later.square().sum(dim=1)).sqrt() + 1e-8
        shares.append(1 - ((here * later).sum(dim=1) / power).clamp(0, 1))
    return torch.where(voiced > 0, torch.stack(shares), 1.0)
