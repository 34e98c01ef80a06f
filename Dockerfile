# Two stages: the first builds the wheel and installs it with the versions of
# constraints.txt; the second holds the result alone and runs as nobody special.

FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip install --no-cache-dir --constraint constraints.txt hatchling \
 && pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && python -m venv /opt/vestibule \
 && /opt/vestibule/bin/pip install --no-cache-dir --constraint constraints.txt \
      "$(echo /wheels/vestibule-*.whl)[server]"

FROM python:3.13-slim
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin vestibule \
 && install --directory --owner=vestibule --group=vestibule --mode=0700 /data
COPY --from=build /opt/vestibule /opt/vestibule
ENV PATH=/opt/vestibule/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    VESTIBULE_DATA=/data \
    VESTIBULE_LISTEN__HOST=0.0.0.0 \
    VESTIBULE_LOG__FORMAT=json
USER vestibule
VOLUME /data
EXPOSE 7420
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s \
    CMD ["vestibule", "health"]
ENTRYPOINT ["vestibule"]
CMD ["serve"]
