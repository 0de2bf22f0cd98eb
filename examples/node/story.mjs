// One case from its application to the revocation of its certificate: `node story.mjs request.pem`.

import { randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { EService, summary } from "./e-service.mjs";

if (process.argv.length !== 3) {
  console.error("usage: node story.mjs REQUEST");
  process.exit(2);
}
const csr = readFileSync(process.argv[2], "utf8");
if (csr.includes("PRIVATE KEY")) throw new Error(`${process.argv[2]} holds a private key: send it to nobody.`);
const caseId = randomUUID();
// An account is one organisation's for ever: another applicant needs another account.
const accountId = "account-node";
const colleague = { user_id: "user-5021", account_id: accountId, assurance: "high", role: "colleague" };
const contact = { ...colleague, user_id: "user-7340", role: "technical-contact" };
const form = {
  type: "server",
  language: "fi",
  applying_as: "care-provider",
  applicant: { business_id: "9900001-8" },
  unit_long_name: "Saduniemen terveysasema",
  names: { dns: ["kanta.saduniemi.example.fi"] },
  usages: ["server-auth", "client-auth"],
  orderer: { name: "Satu Keksitty", email: "satu.keksitty@kuvitelma.example" },
  technical_contact: {
    name: "Urho Keksitty",
    email: "urho.keksitty@yllapito.example",
    organisation: "Esimerkkiylläpito Oy",
  },
};

const service = new EService();

function show(view) {
  console.log(summary(view));
  return view;
}

async function story() {
  await service.write("accounts", "account.opened", accountId, {
    account_id: accountId,
    actor: colleague,
    business_id: form.applicant.business_id,
    organisation_name: "Kuvitelman hyvinvointialue",
  });
  await service.write("applications", "application.submitted", caseId, {
    case_id: caseId,
    actor: colleague,
    form: { ...form, unit_long_name: "Saduniemen asema" },
  });
  show(await service.view(caseId, "returned"));

  await service.write("applications", "application.supplemented", caseId, { case_id: caseId, actor: colleague, form });
  show(await service.view(caseId, "waiting-for-csr"));

  await service.write("accounts", "account.member-added", accountId, {
    account_id: accountId,
    actor: colleague,
    user_id: contact.user_id,
    role: contact.role,
    invited_by: colleague.user_id,
    case_id: caseId,
  });
  await service.write("applications", "application.csr-attached", caseId, { case_id: caseId, actor: contact, csr });
  const { certificate } = show(await service.view(caseId, "delivered"));
  console.log(certificate.subject, certificate.serial, certificate.not_after);
  writeFileSync("certificate.der", Buffer.from(certificate.der, "base64"));

  await service.write("revocations", "revocation.requested", caseId, {
    case_id: caseId,
    actor: contact,
    request_id: randomUUID(),
    serial_as_typed: certificate.serial_decimal,
    reason: "key-exposed",
    sent_at: new Date().toISOString(),
  });
  show(await service.view(caseId, "revoked"));
}

await service.open();
try {
  await story();
} finally {
  await service.close();
}
