# KAFKA_NODE_ID=1 becomes node.id=1, and so on: an underscore is a dot, two are a dash, three an underscore. CLUSTER_ID is
# the identity of a data folder that is empty; KAFKA_HEAP_OPTS, KAFKA_JVM_PERFORMANCE_OPTS and KAFKA_OPTS go to Java.
set -euo pipefail

properties=/opt/kafka/config/server.properties
while IFS='=' read -r name value; do
  case $name in
    KAFKA_HEAP_OPTS | KAFKA_JVM_PERFORMANCE_OPTS | KAFKA_OPTS | KAFKA_VERSION) ;;
    KAFKA_*)
      key=$(printf '%s' "${name#KAFKA_}" | tr '[:upper:]' '[:lower:]' | sed 's/___/\x01/g; s/__/-/g; s/_/./g; s/\x01/_/g')
      printf '%s=%s\n' "$key" "$value"
      ;;
  esac
done < <(env) >"$properties"
grep -q '^log.dirs=' "$properties" || echo "log.dirs=/var/lib/kafka/data" >>"$properties"

read -ra options <<<"${KAFKA_HEAP_OPTS:--Xmx1g -Xms1g} ${KAFKA_JVM_PERFORMANCE_OPTS:-} ${KAFKA_OPTS:-}"
options+=(-Dorg.slf4j.simpleLogger.defaultLogLevel=warn --sun-misc-unsafe-memory-access=allow -cp '/opt/kafka/libs/*')
java -Xmx128m "${options[@]:${#options[@]}-4}" kafka.tools.StorageTool format --ignore-formatted \
  --cluster-id "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" --config "$properties"
exec java "${options[@]}" kafka.Kafka "$properties"
