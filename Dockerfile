# The service: `docker build -t context0 .`, then `docker run -p 8000:8000 -v context0:/data -e CONTEXT0_JWT_SECRET=… context0`.
# Two stages, so that what builds the wheels does not stay in the image.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY context0 context0
COPY stores stores
RUN python -m venv /opt/context0 && /opt/context0/bin/pip install --no-cache-dir ".[redis]"

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin context0 \
    && install -d -o context0 -g context0 -m 0700 /data
COPY --from=build /opt/context0 /opt/context0
ENV PATH=/opt/context0/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    OMP_NUM_THREADS=1 \
    OPENBLAS_NUM_THREADS=1 \
    CONTEXT0_DATA_DIR=/data
USER context0
WORKDIR /data
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=2)"]
ENTRYPOINT ["context0"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]
