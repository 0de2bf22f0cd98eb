import static java.nio.charset.StandardCharsets.UTF_8;

import com.networknt.schema.Error;
import com.networknt.schema.InputFormat;
import com.networknt.schema.Schema;
import com.networknt.schema.SchemaRegistry;
import com.networknt.schema.SpecificationVersion;
import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.MessageDigest;
import java.security.PublicKey;
import java.security.Signature;
import java.security.spec.X509EncodedKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/** The connection of the e-service: what it writes is checked by its JSON Schema, what it reads also by its signature. */
final class EService implements AutoCloseable {
    static final JsonMapper JSON = new JsonMapper();
    private static final Duration PATIENCE = Duration.ofSeconds(90);
    private static final Set<String> CLOSED = Set.of("lapsed", "withdrawn", "refused", "revoked");
    private static final Path SCHEMAS = Path.of(
            System.getenv().getOrDefault("SCHEMAS_FOLDER", "../../schemas/servicecert_schemas/exported"), "json");
    private static final SchemaRegistry REGISTRY = SchemaRegistry.withDefaultDialect(SpecificationVersion.DRAFT_2020_12);

    private final Map<String, Schema> schemas = new HashMap<>();
    private final Map<String, JsonNode> views = new HashMap<>();
    private final Map<String, JsonNode> refusals = new HashMap<>();
    private final Set<String> written = new HashSet<>();
    private final PublicKey publicKey;
    private final KafkaProducer<String, String> producer;
    private final KafkaConsumer<String, byte[]> consumer;

    EService() throws IOException, GeneralSecurityException {
        publicKey = readKey(Path.of(setting("SERVICECERT_SERVICE_KEYS"), "intake.pub"));
        var password = Files.readString(Path.of(setting("KAFKA_SASL_PASSWORD_FILE"))).strip();
        var connection = Map.<String, Object>of(
                "bootstrap.servers", setting("KAFKA_BOOTSTRAP_SERVERS"),
                "security.protocol", "SASL_SSL",
                "ssl.truststore.type", "PEM",
                "ssl.truststore.location", setting("KAFKA_CA_FILE"),
                "sasl.mechanism", "SCRAM-SHA-512",
                "sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"%s\" password=\"%s\";"
                        .formatted(setting("KAFKA_SASL_USERNAME"), password));
        // Its partitioner is the one that all producers of the e-service have to agree with.
        producer = new KafkaProducer<>(connection, new StringSerializer(), new StringSerializer());
        consumer = new KafkaConsumer<>(connection, new StringDeserializer(), new ByteArrayDeserializer());
        // A portal has a group, and the views in its database; this example reads all views at each start.
        var partitions = consumer.partitionsFor("cases").stream()
                .map(each -> new TopicPartition(each.topic(), each.partition())).toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
    }

    @Override
    public void close() {
        consumer.close();
        producer.close();
    }

    /** Publish an event: {@code write("applications", "application.submitted", caseId, data)}. */
    void write(String topic, String name, String key, Object data) throws Exception {
        var type = "servicecert." + name + ".v1";
        var value = JSON.writeValueAsString(data);
        check(type, value);
        var record = new ProducerRecord<>(topic, key, value);
        var id = UUID.randomUUID().toString();
        // An answer names the request of a revocation, else the event.
        written.add(JSON.readTree(value).path("request_id").asString(id));
        var headers = Map.of(
                "ce_specversion", "1.0",
                "ce_id", id,
                "ce_source", "/e-service",
                "ce_type", type,
                "ce_time", Instant.now().toString(),
                "content-type", "application/json");
        headers.forEach((header, text) -> record.headers().add(header, text.getBytes(UTF_8)));
        producer.send(record).get();
    }

    /** A view in a line: its state, the codes of what is missing, and what to do next. */
    static String summary(JsonNode view) {
        var codes = view.get("deficiencies").findValuesAsString("code");
        return view.get("state").asString() + " " + codes + " - " + view.at("/next_step/en").asString();
    }

    /** Return the view of a case once it is in this state. Throw if an event is refused or the case closed. */
    JsonNode view(String caseId, String state) throws Exception {
        var end = Instant.now().plus(PATIENCE);
        var what = caseId + " is not " + state + " but without a view";
        while (Instant.now().isBefore(end)) {
            for (var record : consumer.poll(Duration.ofMillis(200))) {
                read(record);
            }
            var refused = refusals.get(caseId);
            if (refused != null) {
                throw answered(refused);
            }
            var view = views.get(caseId);
            if (view == null) {
                continue;
            }
            if (view.get("state").asString().equals(state)) {
                return view;
            }
            if (written.contains(view.at("/answer/event_id").asString(""))) {
                throw answered(view.get("answer"));
            }
            what = caseId + " is not " + state + " but " + summary(view);
            var now = view.get("state").asString();
            // A request that is no good brings the case back.
            if (CLOSED.contains(now) || (state.equals("delivered") && now.equals("returned"))) {
                throw new IllegalStateException(what);
            }
        }
        throw new IllegalStateException("After %s s %s".formatted(PATIENCE.toSeconds(), what));
    }

    private static IllegalStateException answered(JsonNode answer) {
        return new IllegalStateException(answer.get("code").asString() + ": " + answer.at("/texts/en").asString());
    }

    private void read(ConsumerRecord<String, byte[]> record) throws Exception {
        if (record.value() == null) {
            views.remove(record.key()); // The case is erased: forget it.
            return;
        }
        checkSignature(record);
        var type = header(record, "ce_type");
        check(type, new String(record.value(), UTF_8));
        var data = JSON.readTree(record.value());
        if (type.startsWith("servicecert.event.refused.")) {
            refusals.put(data.get("case_id").asString(), data);
            return;
        }
        // A record may come twice, and an older one after a newer one.
        var known = views.get(record.key());
        if (known == null || known.get("version").asLong() < data.get("version").asLong()) {
            views.put(record.key(), data);
        }
    }

    /** Throw an error that names the deepest wrong field unless the data are valid by the schema of the event's type. */
    private void check(String type, String value) throws IOException {
        var schema = schemas.get(type);
        if (schema == null) {
            schema = REGISTRY.getSchema(Files.readString(SCHEMAS.resolve(type + ".json")));
            schemas.put(type, schema);
        }
        var faults = schema.validate(value, InputFormat.JSON,
                context -> context.executionConfig(config -> config.formatAssertionsEnabled(true)));
        if (!faults.isEmpty()) {
            var deepest = Comparator.comparingInt((Error fault) -> fault.getInstanceLocation().getNameCount());
            throw new IllegalArgumentException(type + ": " + Collections.max(faults, deepest));
        }
    }

    /** Throw an error unless a record has a signature by the key: its id, a colon, the signature in base64. */
    private void checkSignature(ConsumerRecord<String, byte[]> record) throws Exception {
        var parts = header(record, "servicecert-signature").split(":");
        var digest = MessageDigest.getInstance("SHA-256").digest(publicKey.getEncoded());
        var verifier = Signature.getInstance("Ed25519");
        verifier.initVerify(publicKey);
        verifier.update(signedBytes(record));
        var isPinned = parts.length == 2 && parts[0].equals(HexFormat.of().formatHex(digest, 0, 8));
        if (!isPinned || !verifier.verify(Base64.getDecoder().decode(parts[1]))) {
            throw new SecurityException("The record of " + record.key() + " is not signed by the pinned key.");
        }
    }

    /** The bytes that a signature is over: each part after its length in 4 octets, big-endian. */
    static byte[] signedBytes(ConsumerRecord<String, byte[]> record) throws IOException {
        var bytes = new ByteArrayOutputStream();
        var out = new DataOutputStream(bytes);
        part(out, "servicecert event v1".getBytes(UTF_8));
        part(out, record.topic().getBytes(UTF_8));
        part(out, record.key().getBytes(UTF_8));
        part(out, record.value());
        for (Header header : record.headers()) {
            if (header.key().startsWith("ce_")) {
                part(out, header.key().getBytes(UTF_8));
                part(out, header.value());
            }
        }
        return bytes.toByteArray();
    }

    private static void part(DataOutputStream out, byte[] part) throws IOException {
        out.writeInt(part.length);
        out.write(part);
    }

    private static String setting(String name) {
        var value = System.getenv(name);
        if (value == null || value.isEmpty()) {
            throw new IllegalStateException(name + " is not set: . var/up/environment");
        }
        return value;
    }

    private static String header(ConsumerRecord<String, byte[]> record, String name) {
        var header = record.headers().lastHeader(name);
        return header == null ? "" : new String(header.value(), UTF_8);
    }

    private static PublicKey readKey(Path file) throws IOException, GeneralSecurityException {
        var base64 = Files.readString(file).replaceAll("(?s).*-----BEGIN PUBLIC KEY-----|-----END.*|\\s", "");
        return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(Base64.getDecoder().decode(base64)));
    }
}
