# A team's server: docker build -t headshots-mcp . && docker run -p 8000:8000 -e HEADSHOTS_ALLOWED_HOSTS=mcp.example.com headshots-mcp
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN python -m venv --without-pip /opt/headshots-mcp \
    && pip --python /opt/headshots-mcp install --no-cache-dir . \
    && python -m compileall -q /opt/headshots-mcp

FROM python:3.13-slim
COPY --from=build /opt/headshots-mcp /opt/headshots-mcp
ENV PATH=/opt/headshots-mcp/bin:$PATH
USER 65532:65532
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health', timeout=2)"]
ENTRYPOINT ["headshots-mcp"]
CMD ["--transport", "http", "--host", "0.0.0.0", "--port", "8000"]
