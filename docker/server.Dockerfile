# tft-server, the server without Node (docs/server.md), in a container. For a CPU:
#   docker build -f docker/server.Dockerfile -t tft-server .
# For NVIDIA GPUs, on an image that brings TensorRT; a plan is named when it is started: tft-server --engine /models/demo.engine
#   docker build -f docker/server.Dockerfile -t tft-server:gpu --build-arg RUNTIME=nvcr.io/nvidia/tensorrt:25.08-py3 .
ARG NODE=node:24-bookworm-slim
ARG RUNTIME=debian:bookworm-slim

# npm, pip and crates.io bring the sources that the server is made of.
FROM ${NODE} AS build
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends \
        cmake g++ libbrotli-dev libssl-dev make python3-pip zlib1g-dev
WORKDIR /source
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts
COPY . .
RUN scripts/build-server && strip -o /tft-server build/server/cpp/server/tft-server \
    && cp node_modules/onnxruntime-node/bin/napi-v*/linux/"$(node -p process.arch)"/libonnxruntime.so.1 /

FROM ${RUNTIME} AS service
# ONNX Runtime needs libstdc++.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /home/tft --shell /usr/sbin/nologin tft
COPY --from=build /tft-server /usr/local/bin/tft-server
COPY --from=build /libonnxruntime.so.1 /usr/local/lib/tft-server/libonnxruntime.so.1
COPY models/demo /models/demo

ENV TFT_SERVE_HOST=0.0.0.0 \
    TFT_SERVE_PORT=8000 \
    TFT_SERVE_MODEL=/models/demo \
    TFT_SERVE_ONNXRUNTIME=/usr/local/lib/tft-server/libonnxruntime.so.1
EXPOSE 8000
USER 10001:10001
WORKDIR /home/tft

# Life, not readiness, and by the shell alone: the image has no other client.
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
    CMD ["bash", "-c", "exec 3<>\"/dev/tcp/127.0.0.1/$TFT_SERVE_PORT\"; printf 'GET /v2/health/live HTTP/1.0\\r\\n\\r\\n' >&3; grep -q '\"live\":true' <&3"]

# API keys come from the environment or a file: TFT_SERVE_API_KEYS, TFT_SERVE_API_KEYS_FILE.
ENTRYPOINT ["tft-server"]
