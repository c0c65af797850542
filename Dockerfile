# Built like the README's own steps: everything pinned comes from requirements.lock.
#   docker build -t sovits-daemon .                       processor only
#   docker build -t sovits-daemon --build-arg BASE=nvidia/cuda:12.8.1-runtime-ubuntu24.04 .   with NVIDIA cards
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}

# The CUDA images carry no Python; the slim one has it already.
RUN command -v python3 > /dev/null && python3 -c 'import ensurepip' 2> /dev/null || { \
      apt-get update && apt-get install --yes --no-install-recommends python3 python3-venv make \
      && rm -rf /var/lib/apt/lists/*; }
RUN command -v make > /dev/null || { \
      apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*; }

RUN useradd --system --uid 990 --create-home --home-dir /var/lib/sovits-daemon sovits \
    && install --directory --owner=sovits --group=sovits /data/inbox /data/work_dir /data/models

WORKDIR /opt/sovits-daemon
COPY pyproject.toml requirements.lock requirements-bootstrap.lock Makefile README.md LICENSE ./
COPY GPT_SoVITS GPT_SoVITS
COPY pipeline pipeline
COPY daemon daemon
COPY api api
RUN make setup && rm -rf "$HOME/.cache"

ENV PATH=/opt/sovits-daemon/.venv/bin:$PATH \
    SOVITS_PATHS__INBOX_DIR=/data/inbox \
    SOVITS_PATHS__WORK_DIR=/data/work_dir \
    SOVITS_PATHS__MODELS_DIR=/data/models \
    HF_HUB_OFFLINE=1
USER sovits
VOLUME ["/data/inbox", "/data/work_dir", "/data/models"]
EXPOSE 8000
# A training writes a checkpoint when it is asked to stop.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
CMD ["sovits-daemon", "run"]
