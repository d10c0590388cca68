# A Java app in two stages: Gradle makes one jar (Spring Boot's bootJar), and the image has that and a JRE.
# Needs in the project: the Gradle wrapper (gradlew, gradle/wrapper).

# With a digest (eclipse-temurin:21-jre@sha256:…), the same commit gives the same image.
ARG JDK_IMAGE=eclipse-temurin:21-jdk
ARG JRE_IMAGE=eclipse-temurin:21-jre

FROM ${JDK_IMAGE} AS build
WORKDIR /app
COPY gradlew *.gradle* gradle.propertie[s] ./
COPY gradle gradle
# Only when these files change are dependencies fetched again. The secret is there if the build was given one.
RUN --mount=type=cache,target=/root/.gradle/caches \
    --mount=type=secret,id=gradle,target=/root/.gradle/gradle.properties \
    ./gradlew --no-daemon dependencies
COPY src src
RUN --mount=type=cache,target=/root/.gradle/caches \
    --mount=type=secret,id=gradle,target=/root/.gradle/gradle.properties \
    ./gradlew --no-daemon bootJar

FROM ${JRE_IMAGE} AS runtime
WORKDIR /app
COPY --from=build /app/build/libs/*.jar app.jar
ENV SERVER_PORT=8080 \
    HEALTH_PATH=/actuator/health \
    JAVA_OPTS=""
# By number, so that any base image serves.
USER 10001:10001
EXPOSE 8080
# With bash, as a JRE's image need not have curl.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$SERVER_PORT && printf 'GET %s HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n' \"$HEALTH_PATH\" >&3 && head -1 <&3 | grep -q ' 200'"]
# exec, so that the signal to stop reaches Java.
ENTRYPOINT ["sh", "-c", "exec java $JAVA_OPTS -jar app.jar"]
