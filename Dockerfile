# One image, four roles: gateway, worker, sandbox (the simulated French ministry) and the one-off init.
# Any base with Python 3.11+ and its venv module will do: --build-arg BASE=… for a house image.
ARG BASE=python:3.11-slim
FROM ${BASE} AS build
WORKDIR /src
COPY requirements/ requirements/
RUN python3 -m venv /opt/passerelle \
 && /opt/passerelle/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.lock
COPY pyproject.toml README.md ./
COPY contracts/ contracts/
COPY adapters/ adapters/
COPY gateway/ gateway/
RUN /opt/passerelle/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM ${BASE}
# A fixed, unprivileged user: the data volume belongs to it.
RUN useradd --no-create-home --uid 10001 --home-dir /data --shell /usr/sbin/nologin passerelle \
 && mkdir /data && chown passerelle: /data
COPY --from=build /opt/passerelle /opt/passerelle
ENV PATH=/opt/passerelle/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001
VOLUME /data
WORKDIR /data
ENTRYPOINT ["passerelle"]
CMD ["--help"]
