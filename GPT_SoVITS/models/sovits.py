"""SoVITS (s2): content codes, phones and a reference voice to a waveform.

A conditional variational auto-encoder with a flow and a GAN-trained waveform decoder (VITS, Kim et al. 2021), with
quantised content features in place of aligned text. One class for all families; sizes come from SovitsConfig.
A frame is one hop (20 ms); a code stands for two frames. Call `eval()` before `extract_codes` and `decode`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from GPT_SoVITS.families import AudioConfig, SovitsConfig
from GPT_SoVITS.mel import mel_from_spectrogram
from GPT_SoVITS.models.aligner import PhoneAligner
from GPT_SoVITS.models.flow import Flow
from GPT_SoVITS.models.harmonic_decoder import HarmonicDecoder, Prediction
from GPT_SoVITS.models.posterior_encoder import PosteriorEncoder
from GPT_SoVITS.models.quantizer import Quantizer
from GPT_SoVITS.models.style_encoder import StyleEncoder
from GPT_SoVITS.models.text_encoder import SYMBOL_COUNTS, TextEncoder
from GPT_SoVITS.models.waveform_decoder import WaveformDecoder
from GPT_SoVITS.models.weight_norm import fold_weight_norm

FRAMES_PER_CODE = 2
MEAN_LOG_MEL, LOG_MEL_SPREAD = -4.0, 3.0
"""Rough mean and standard deviation of the log-mels of speech."""


@dataclass(frozen=True, slots=True)
class SovitsBatch:
    """A padded training batch. `ssl` and `spectrogram` have the same, even number of frames T."""

    ssl: Tensor
    """Content features, float [B, ssl_channels, T]."""
    spectrogram: Tensor
    """Magnitudes, float [B, bins, T]."""
    spectrogram_lengths: Tensor
    """Valid frames, int64 [B]."""
    phones: Tensor
    """Phone ids, int64 [B, P]."""
    phones_lengths: Tensor
    """Valid phones, int64 [B]."""
    speaker_vectors: Tensor | None = None
    """Float [B, speaker_vector_channels], for families that have one."""


@dataclass(frozen=True, slots=True)
class AlignedBatch:
    """A padded training batch of a direct family."""

    codes: Tensor
    """Int64 [B, N], two frames each."""
    codes_lengths: Tensor
    alignment: Tensor
    """Place of each code's phone, int64 [B, N]."""
    phones: Tensor
    """Phone ids, int64 [B, P]."""
    phones_lengths: Tensor
    mel: Tensor
    """Log-mels of the timbre's reference, float [B, mel_bands, T]; it need not be what is spoken."""
    mel_lengths: Tensor
    heard: Tensor
    """Whether each row's codes are heard, bool [B]; what is not heard is spoken from its phones alone."""

    def to(self, device: torch.device) -> AlignedBatch:
        """Return the batch on a device."""
        return AlignedBatch(
            self.codes.to(device),
            self.codes_lengths.to(device),
            self.alignment.to(device),
            self.phones.to(device),
            self.phones_lengths.to(device),
            self.mel.to(device),
            self.mel_lengths.to(device),
            self.heard.to(device),
        )


@dataclass(frozen=True, slots=True)
class SovitsOutput:
    """What the losses need. Latents are [B, inter, T], zero where padded."""

    wave: Tensor
    """Generated slices, [B, 1, segment_samples], -1..1."""
    slice_starts: Tensor
    """First frame of each slice, int64 [B]."""
    mask: Tensor
    """1 at valid frames, [B, 1, T]."""
    posterior_sample: Tensor
    prior_sample: Tensor
    """The posterior's sample after the flow."""
    prior_mean: Tensor
    prior_log_scale: Tensor
    posterior_mean: Tensor
    posterior_log_scale: Tensor


@dataclass(frozen=True, slots=True)
class DecodedChunk:
    """A stretch of speech: wave [1, 1, samples], -1..1, and its content latent before any change of speed."""

    wave: Tensor
    latent: Tensor
    """[1, hidden, frames]; its end is the `overlap` of the next chunk."""


def length_mask(lengths: Tensor, frames: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return [B, 1, frames], 1 at positions below lengths int64 [B]."""
    return (torch.arange(frames, device=lengths.device) < lengths[:, None]).unsqueeze(1).to(dtype)


def slice_frames(x: Tensor, starts: Tensor, frames: int) -> Tensor:
    """Cut [B, C, frames] out of x [B, C, T], item b from position starts[b] (int64 [B]) on."""
    positions = starts[:, None] + torch.arange(frames, device=x.device)
    return x.gather(2, positions[:, None, :].expand(-1, x.shape[1], -1))


class SovitsModel(nn.Module):
    """The generator: everything but the discriminators."""

    def __init__(self, config: SovitsConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.config = config
        self.audio = audio
        self.slice_length_frames = config.segment_samples // audio.hop_samples
        bins = audio.spectrogram_channels
        self.style_bins = audio.mel_bands if config.is_direct else config.style_channels or bins
        inter, hidden, gin = config.inter_channels, config.hidden_channels, config.gin_channels
        self.enc_p = TextEncoder(config)
        self.dec: WaveformDecoder | HarmonicDecoder
        if config.is_direct:
            self.dec = HarmonicDecoder(config)
            self.aligner = PhoneAligner(SYMBOL_COUNTS[config.symbols], config.codebook_size)
        else:
            self.dec = WaveformDecoder(config)
            self.enc_q = PosteriorEncoder(bins, inter, hidden, config.posterior_layers, gin)
            self.flow = Flow(inter, hidden, config.flow_blocks, config.flow_layers, gin)
        self.ref_enc = StyleEncoder(self.style_bins, config.style_hidden, gin)
        self.ssl_proj = nn.Conv1d(config.ssl_channels, config.ssl_channels, FRAMES_PER_CODE, stride=FRAMES_PER_CODE)
        self.quantizer = Quantizer(config.codebook_size, config.ssl_channels)
        self.takes_speaker_vector = config.speaker_vector_channels is not None
        if config.speaker_vector_channels is not None:
            self.sv_emb = nn.Linear(config.speaker_vector_channels, gin)
            self.ge_to512 = nn.Linear(gin, config.mrte_channels)
            self.prelu = nn.PReLU(num_parameters=gin)

    def extract_codes(self, ssl: Tensor) -> Tensor:
        """Return codes int64 [B, 1, T // 2] of content features ssl [B, ssl_channels, T]; never carries a gradient.

        Raises:
            CheckpointError: the codebook was neither loaded nor fitted.
        """
        # In float32 always: the codes of the data set were found so, and half precision would pick neighbours.
        with torch.no_grad(), torch.autocast(ssl.device.type, enabled=False):
            return self.quantizer.encode(self.ssl_proj(ssl))

    def fit_codebook(self, features: Iterable[Tensor], generator: torch.Generator | None = None) -> None:
        """Make the codebook of a model that starts from random weights, by k-means.

        Args:
            features: content features of each clip, [ssl_channels, T].
            generator: makes the choice of first entries repeatable.

        Raises:
            TrainingDataError: there are no features.
        """
        with torch.no_grad():
            rows = [self.ssl_proj(clip.unsqueeze(0)).squeeze(0).mT for clip in features if clip.shape[-1] > 1]
            self.quantizer.fit(torch.cat(rows) if rows else torch.empty(0, self.config.ssl_channels), generator)

    def style(self, spectrogram: Tensor, speaker_vector: Tensor | None = None, *, mask: Tensor | None = None) -> Tensor:
        """Return the timbre [B, gin, 1] of a reference.

        Args:
            spectrogram: magnitudes [B, bins, T].
            speaker_vector: [B, speaker_vector_channels], for families that have one.
            mask: [B, 1, T], 1 where valid; all frames if left out.

        Raises:
            ValueError: the family needs a speaker vector and got none, or the other way round.
        """
        if (speaker_vector is None) == self.takes_speaker_vector:
            need = "needs" if self.takes_speaker_vector else "takes no"
            raise ValueError(f"model family {self.config.version} {need} speaker vector beside the spectrogram")
        if mask is None:
            mask = spectrogram.new_ones(spectrogram.shape[0], 1, spectrogram.shape[2])
        if self.config.is_direct:
            return self.style_of_mel(mel_from_spectrogram(spectrogram, self.audio), mask)
        timbre: Tensor = self.ref_enc(spectrogram[:, : self.style_bins], mask)
        if speaker_vector is not None:
            timbre = self.prelu(timbre + self.sv_emb(speaker_vector).unsqueeze(-1))
        return timbre

    def style_of_mel(self, mel: Tensor, mask: Tensor) -> Tensor:
        """Return the timbre [B, gin, 1] of a direct family from log-mels [B, mel_bands, T] and their mask [B, 1, T]."""
        timbre: Tensor = self.ref_enc((mel - MEAN_LOG_MEL) / LOG_MEL_SPREAD, mask)
        return timbre

    def predict(self, batch: AlignedBatch) -> Prediction:
        """Return the acoustic frames of a training batch of a direct family."""
        mask = length_mask(batch.codes_lengths, batch.codes.shape[1])
        style = self.style_of_mel(batch.mel, length_mask(batch.mel_lengths, batch.mel.shape[2]))
        text = (batch.phones, length_mask(batch.phones_lengths, batch.phones.shape[1]))
        latent = self._aligned_latent(batch.codes, mask, text, batch.alignment, style, batch.heard)
        decoder = self.dec
        assert isinstance(decoder, HarmonicDecoder)
        return decoder.predict(self.enc_p.prior(latent, mask).mean, style)

    def direct_latent(self, codes: Tensor, phones: Tensor, style: Tensor, places: Tensor | None = None) -> Tensor:
        """Return the content latent of a direct family, [1, hidden, N].

        Args:
            codes: all codes of the sentence so far, int64 [1, 1, N].
            phones: ids of the whole sentence, int64 [1, P].
            style: timbre [1, gin, 1].
            places: which phone each code belongs to, int64 [1, N]; found if left out.
        """
        rows = codes.squeeze(1)
        if places is None:
            lengths = [torch.tensor([row.shape[1]], device=style.device) for row in (phones, rows)]
            places = self.aligner(phones, lengths[0], rows, lengths[1], open_end=True)
        mask = style.new_ones(1, 1, rows.shape[1])
        text = (phones, style.new_ones(1, 1, phones.shape[1]))
        heard = torch.ones(1, dtype=torch.bool, device=style.device)
        return self._aligned_latent(rows, mask, text, places, style, heard)

    def _aligned_latent(
        self,
        codes: Tensor,
        mask: Tensor,
        text: tuple[Tensor, Tensor],
        alignment: Tensor,
        style: Tensor,
        heard: Tensor,
    ) -> Tensor:
        """Latent of codes [B, N], one frame each, under a mask [B, 1, N]; alignment int64 [B, N], heard bool [B]."""
        content = self.quantizer.decode(codes.unsqueeze(1)) * heard[:, None, None]
        return self.enc_p.aligned_latent(content, mask, text, alignment, self._style_for_text(style))

    def _style_for_text(self, style: Tensor) -> Tensor:
        """Narrow the timbre [B, gin, 1] to what `enc_p` takes."""
        narrowed: Tensor = self.ge_to512(style.mT).mT if self.takes_speaker_vector else style
        return narrowed

    def _content(self, codes: Tensor) -> Tensor:
        """Codes [B, 1, N] → content rows at frame rate [B, ssl_channels, 2N]"""
        return self.quantizer.decode(codes).repeat_interleave(FRAMES_PER_CODE, dim=2)

    def forward(
        self,
        batch: SovitsBatch,
        *,
        noise: Tensor | None = None,
        slice_starts: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> SovitsOutput:
        """Run the training pass.

        Args:
            batch: see SovitsBatch.
            noise: standard normal [B, inter, T] for the posterior; drawn if left out.
            slice_starts: first frame of each generated slice, int64 [B]; drawn evenly if left out.
            generator: source of what is drawn.
        """
        frames = batch.spectrogram.shape[2]
        mask = length_mask(batch.spectrogram_lengths, frames, batch.spectrogram.dtype)
        text_mask = length_mask(batch.phones_lengths, batch.phones.shape[1], batch.spectrogram.dtype)
        style = self.style(batch.spectrogram, batch.speaker_vectors, mask=mask)
        content = self._content(self.extract_codes(batch.ssl))
        prior = self.enc_p(content, mask, batch.phones, text_mask, self._style_for_text(style))
        if noise is None:
            noise = _normal((mask.shape[0], self.config.inter_channels, frames), mask, generator)
        posterior = self.enc_q(batch.spectrogram, mask, style.detach(), noise)
        if slice_starts is None:
            slice_starts = self._draw_slice_starts(batch.spectrogram_lengths, generator)
        latent = slice_frames(posterior.sample, slice_starts, self.slice_length_frames)
        return SovitsOutput(
            wave=self.dec(latent, style),
            slice_starts=slice_starts,
            mask=mask,
            posterior_sample=posterior.sample,
            prior_sample=self.flow(posterior.sample, mask, style),
            prior_mean=prior.mean,
            prior_log_scale=prior.log_scale,
            posterior_mean=posterior.mean,
            posterior_log_scale=posterior.log_scale,
        )

    def _draw_slice_starts(self, lengths: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw where a slice begins, evenly among the places where it fits: int64 [B]."""
        places = (lengths - self.slice_length_frames + 1).clamp(min=1)
        return (torch.rand(lengths.shape, generator=generator, device=lengths.device) * places).long()

    def decode(
        self,
        codes: Tensor,
        phones: Tensor,
        references: Sequence[Tensor],
        speaker_vectors: Sequence[Tensor] | None = None,
        *,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Speak one sentence, without gradients.

        Args:
            codes: int64 [1, 1, N].
            phones: ids of the text, int64 [1, P].
            references: magnitudes [1, bins, T] of one or more recordings; their timbres are averaged.
            speaker_vectors: one [1, speaker_vector_channels] a reference, for families that have one.
            noise_scale: how far the sample strays from the prior's mean.
            speed: above 1 is faster.
            noise: standard normal [1, inter, frames]; drawn if left out.
            generator: source of what is drawn.

        Returns:
            The wave [1, 1, samples], -1..1; 2 N hops long at speed 1, else int(2 N / speed) + 1 hops.

        Raises:
            ValueError: no reference, or speaker vectors do not match the references or the family.
        """
        with torch.inference_mode():
            style = self.mean_style(references, speaker_vectors)
        made = self.decode_chunk(
            codes, phones, style, noise_scale=noise_scale, speed=speed, noise=noise, generator=generator
        )
        return made.wave

    def decode_chunk(
        self,
        codes: Tensor,
        phones: Tensor,
        style: Tensor,
        *,
        places: Tensor | None = None,
        last_codes: int | None = None,
        overlap: Tensor | None = None,
        noise_scale: float = 0.5,
        speed: float = 1.0,
        noise: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> DecodedChunk:
        """Speak the end of the codes made so far, without gradients; all of them are heard as context.

        Args:
            codes: every code of the sentence so far, int64 [1, 1, N].
            phones: ids of the whole sentence, int64 [1, P].
            style: timbre [1, gin, 1]; see `mean_style`.
            places: which phone each code belongs to, int64 [1, N], for direct families; found if left out.
            last_codes: how many codes to speak, counted from the end; all if left out.
            overlap: the last content-latent frames of the chunk before, [1, hidden, L]. This chunk's first L frames are
                faded into them with weights that do not quite sum to 1, as in the public engine.
            noise_scale, speed, noise, generator: as in `decode`; noise is for the frames after the change of speed.

        Returns:
            The wave and the content latent that it was made from.
        """
        with torch.inference_mode():
            if self.config.is_direct:
                latent = self.direct_latent(codes, phones, style, places)
                return self._direct_chunk(latent if last_codes is None else latent[:, :, -last_codes:], style, speed)
            content = self._content(codes)
            mask = style.new_ones(1, 1, content.shape[2])
            text_mask = style.new_ones(1, 1, phones.shape[1])
            latent = self.enc_p.latent(content, mask, phones, text_mask, self._style_for_text(style))
            if last_codes is not None:
                latent = latent[:, :, -FRAMES_PER_CODE * last_codes :]
            if overlap is not None:
                latent = _fade(overlap, latent)
            prior = self.enc_p.prior(latent, mask[:, :, : latent.shape[2]], speed)
            if noise is None:
                noise = _normal(prior.mean.shape, prior.mean, generator)
            sample = prior.mean + noise * prior.log_scale.exp() * noise_scale
            wave: Tensor = self.dec(self.flow.inverse(sample, prior.mask, style) * prior.mask, style)
            return DecodedChunk(wave, latent)

    def _direct_chunk(self, latent: Tensor, style: Tensor, speed: float) -> DecodedChunk:
        """Speak with a direct family, which draws nothing and needs no overlap: its latent is the same every time."""
        mask = latent.new_ones(1, 1, latent.shape[2])
        return DecodedChunk(self.dec(self.enc_p.prior(latent, mask, speed).mean, style), latent)

    def mean_style(self, references: Sequence[Tensor], speaker_vectors: Sequence[Tensor] | None = None) -> Tensor:
        """Return the average timbre of the references, [1, gin, 1]; each with its own speaker vector.

        Raises:
            ValueError: no reference, or speaker vectors do not match the references or the family.
        """
        if not references:
            raise ValueError("no reference recording was given: pass at least one spectrogram")
        vectors: Sequence[Tensor | None] = speaker_vectors if speaker_vectors is not None else [None] * len(references)
        if len(vectors) != len(references):
            raise ValueError(
                f"{len(references)} references came with {len(vectors)} speaker vectors: pass one for each"
            )
        styles = [self.style(reference, vector) for reference, vector in zip(references, vectors, strict=True)]
        return torch.stack(styles).mean(dim=0)

    def remove_weight_norm(self) -> None:
        """Fold weight normalisation for faster inference; see `fold_weight_norm`."""
        fold_weight_norm(self)


def _normal(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Draw where the generator is: one on the CPU gives the same noise for every device."""
    source = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=source).to(like)


def _fade(old: Tensor, new: Tensor) -> Tensor:
    """Mix the first L frames of `new` [1, C, T] with `old` [1, C, L]: a quarter sine up and one down."""
    frames = old.shape[2]
    angle = torch.arange(frames, device=new.device, dtype=new.dtype) * (math.pi / (2 * frames))
    mixed = new[:, :, :frames] * angle.sin() + old * angle.cos()
    return torch.cat([mixed, new[:, :, frames:]], dim=2)
