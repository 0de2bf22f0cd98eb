// The connection of the e-service: what it writes is checked by its JSON Schema, what it reads also by its signature.

import { createHash, createPublicKey, randomUUID, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import Ajv from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { Kafka, Partitioners, logLevel } from "kafkajs";

const { env } = process;
const SCHEMAS = env.SCHEMAS_FOLDER ?? fileURLToPath(new URL("../../schemas/servicecert_schemas/exported", import.meta.url));
const PATIENCE_MS = 90_000;
const CLOSED = ["lapsed", "withdrawn", "refused", "revoked"];

// Our schemas have keywords of their own, such as x-extensible-enum.
const ajv = addFormats(new Ajv({ strict: false }));

// What can be foreseen, such as a broker that does not answer, ends in its sentence.
process.on("uncaughtException", (error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
});

/** The value of an environment variable; throw an error that says how it is set if it is not. */
function setting(name) {
  if (!env[name]) throw new Error(`${name} is not set: . var/up/environment`);
  return env[name];
}

/** A view in a line: its state, the codes of what is missing, and what to do next. */
export function summary({ state, deficiencies, next_step }) {
  return `${state} ${deficiencies.map((each) => each.code).join(", ")} - ${next_step.en}`;
}

/** Throw an error that names the deepest wrong field unless the data are valid by the schema of the event's type. */
export function check(type, data) {
  const id = `urn:servicecert:schema:${type.replace("servicecert.", "")}`;
  const valid = ajv.getSchema(id) ?? ajv.compile(JSON.parse(readFileSync(join(SCHEMAS, "json", `${type}.json`))));
  if (valid(data)) return;
  const depth = (fault) => fault.instancePath.split("/").length;
  const deepest = valid.errors.reduce((best, each) => (depth(each) > depth(best) ? each : best));
  throw new Error(`${type}: ${ajv.errorsText([deepest])}`);
}

/** The bytes that a signature is over: each part after its length in 4 octets, big-endian. */
export function signedBytes(topic, key, headers, value) {
  const parts = ["servicecert event v1", topic, key, value];
  for (const [name, raw] of Object.entries(headers)) {
    if (name.startsWith("ce_")) parts.push(name, raw);
  }
  return Buffer.concat(
    parts.map(Buffer.from).flatMap((part) => {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(part.length);
      return [length, part];
    }),
  );
}

/** Throw an error unless a record has a signature by this key. */
export function checkSignature(publicKey, topic, { key, headers, value }) {
  const [id, signature] = String(headers["servicecert-signature"]).split(":");
  const expected = createHash("sha256").update(publicKey.export({ type: "spki", format: "der" })).digest("hex");
  if (!expected.startsWith(id) || id.length !== 16) throw new Error(`The record of ${key} is not signed by the pinned key.`);
  const signed = signedBytes(topic, key, headers, value);
  if (!verify(null, signed, publicKey, Buffer.from(signature ?? "", "base64"))) {
    throw new Error(`The signature of the record of ${key} does not verify.`);
  }
}

export class EService {
  #views = new Map();
  #refusals = new Map();
  #written = new Set();
  #waiting = new Set();
  #fault;

  constructor() {
    const kafka = new Kafka({
      clientId: "e-service",
      brokers: setting("KAFKA_BOOTSTRAP_SERVERS").split(","),
      ssl: { ca: [readFileSync(setting("KAFKA_CA_FILE"))] },
      sasl: {
        mechanism: "scram-sha-512",
        username: setting("KAFKA_SASL_USERNAME"),
        password: readFileSync(setting("KAFKA_SASL_PASSWORD_FILE"), "utf8").trim(),
      },
      logLevel: logLevel.NOTHING,
    });
    this.publicKey = createPublicKey(readFileSync(join(setting("SERVICECERT_SERVICE_KEYS"), "intake.pub")));
    // It partitions like Kafka's Java client (murmur2): the events of a case keep their order.
    this.producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      idempotent: true,
      maxInFlightRequests: 1,
    });
    // A portal keeps one group, and the views in its database; this example reads all views at each start.
    this.consumer = kafka.consumer({ groupId: `e-service-node-${randomUUID()}` });
  }

  async open() {
    await this.producer.connect();
    await this.consumer.connect();
    await this.consumer.subscribe({ topic: "cases", fromBeginning: true });
    await this.consumer.run({ eachMessage: async ({ topic, message }) => this.#receive(topic, message) });
  }

  async close() {
    await this.consumer.disconnect();
    await this.producer.disconnect();
  }

  /** Publish an event: `write("applications", "application.submitted", caseId, data)`. Return its id. */
  async write(topic, name, key, data) {
    const type = `servicecert.${name}.v1`;
    check(type, data);
    const id = randomUUID();
    const headers = {
      ce_specversion: "1.0",
      ce_id: id,
      ce_source: "/e-service",
      ce_type: type,
      ce_time: new Date().toISOString(),
      "content-type": "application/json",
    };
    this.#written.add(data.request_id ?? id); // An answer names the request of a revocation, else the event.
    await this.producer.send({ topic, acks: -1, messages: [{ key, headers, value: JSON.stringify(data) }] });
    return id;
  }

  /** Return the view of a case once it is in this state. Throw if an event is refused or the case closed. */
  view(caseId, state) {
    const last = () => (this.#views.has(caseId) ? summary(this.#views.get(caseId)) : "without a view");
    const what = () => `${caseId} is not ${state} but ${last()}`;
    return this.#until(what, () => {
      if (this.#fault) throw this.#fault;
      const refused = this.#refusals.get(caseId);
      if (refused) throw new Error(`${refused.code}: ${refused.texts.en}`);
      const view = this.#views.get(caseId);
      if (view?.state === state) return view;
      if (this.#written.has(view?.answer?.event_id)) throw new Error(`${view.answer.code}: ${view.answer.texts.en}`);
      // A request that is no good brings the case back.
      const ends = state === "delivered" ? [...CLOSED, "returned"] : CLOSED;
      if (ends.includes(view?.state)) throw new Error(what());
    });
  }

  #receive(topic, record) {
    try {
      this.#read(topic, record);
    } catch (error) {
      this.#fault ??= error;
    }
    for (const look of this.#waiting) look();
  }

  #read(topic, record) {
    const key = record.key.toString();
    if (record.value === null) {
      this.#views.delete(key); // The case is erased: forget it.
      return;
    }
    checkSignature(this.publicKey, topic, record);
    const type = record.headers.ce_type.toString();
    const data = JSON.parse(record.value);
    check(type, data);
    if (type.startsWith("servicecert.event.refused.")) this.#refusals.set(data.case_id, data);
    // A record may come twice, and an older one after a newer one.
    else if (!(this.#views.get(key)?.version >= data.version)) this.#views.set(key, data);
  }

  #until(what, found) {
    return new Promise((resolve, reject) => {
      const end = (settle, value) => {
        clearTimeout(timer);
        this.#waiting.delete(look);
        settle(value);
      };
      const look = () => {
        try {
          const value = found();
          if (value !== undefined) end(resolve, value);
        } catch (error) {
          end(reject, error);
        }
      };
      const timer = setTimeout(() => end(reject, new Error(`After ${PATIENCE_MS / 1000} s ${what()}`)), PATIENCE_MS);
      this.#waiting.add(look);
      look();
    });
  }
}
