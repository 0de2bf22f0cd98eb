import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import tools.jackson.databind.JsonNode;

/** One case from its application to the revocation of its certificate. */
public final class Story {
    // An account is one organisation's for ever: another applicant needs another account.
    private static final String ACCOUNT = "account-java";
    private static final Map<String, Object> COLLEAGUE = actor("user-5021", "colleague");
    private static final Map<String, Object> CONTACT = actor("user-7340", "technical-contact");

    public static void main(String[] arguments) {
        try {
            tell(arguments);
        } catch (Exception error) {
            // What can be foreseen, such as a broker that does not answer, ends in its sentence.
            System.err.println(error);
            System.exit(1);
        }
    }

    private static void tell(String[] arguments) throws Exception {
        if (arguments.length != 1) {
            System.err.println("usage: mvn compile exec:java -Dexec.args=REQUEST");
            System.exit(2);
        }
        var csr = Files.readString(Path.of(arguments[0]));
        if (csr.contains("PRIVATE KEY")) {
            throw new IllegalArgumentException(arguments[0] + " holds a private key: send it to nobody.");
        }
        var caseId = UUID.randomUUID().toString();
        try (var service = new EService()) {
            service.write("accounts", "account.opened", ACCOUNT, Map.of(
                    "account_id", ACCOUNT,
                    "actor", COLLEAGUE,
                    "business_id", "9900001-8",
                    "organisation_name", "Kuvitelman hyvinvointialue"));
            service.write("applications", "application.submitted", caseId,
                    Map.of("case_id", caseId, "actor", COLLEAGUE, "form", form("Taruvaaran asema")));
            show(service.view(caseId, "returned"));

            service.write("applications", "application.supplemented", caseId,
                    Map.of("case_id", caseId, "actor", COLLEAGUE, "form", form("Taruvaaran terveysasema")));
            show(service.view(caseId, "waiting-for-csr"));

            service.write("accounts", "account.member-added", ACCOUNT, Map.of(
                    "account_id", ACCOUNT,
                    "actor", COLLEAGUE,
                    "user_id", CONTACT.get("user_id"),
                    "role", CONTACT.get("role"),
                    "invited_by", COLLEAGUE.get("user_id"),
                    "case_id", caseId));
            service.write("applications", "application.csr-attached", caseId,
                    Map.of("case_id", caseId, "actor", CONTACT, "csr", csr));
            var certificate = show(service.view(caseId, "delivered")).get("certificate");
            var der = Base64.getDecoder().decode(certificate.get("der").asString());
            Files.write(Path.of("certificate.der"), der);
            System.out.println(certificate.get("subject").asString() + " " + certificate.get("serial").asString());

            service.write("revocations", "revocation.requested", caseId, Map.of(
                    "case_id", caseId,
                    "actor", CONTACT,
                    "request_id", UUID.randomUUID().toString(),
                    "serial_as_typed", certificate.get("serial_decimal").asString(),
                    "reason", "key-exposed",
                    "sent_at", Instant.now().toString()));
            show(service.view(caseId, "revoked"));
        }
    }

    private static JsonNode show(JsonNode view) {
        System.out.println(EService.summary(view));
        return view;
    }

    private static Map<String, Object> form(String unit) {
        return Map.of(
                "type", "server",
                "language", "fi",
                "applying_as", "care-provider",
                "applicant", Map.of("business_id", "9900001-8"),
                "unit_long_name", unit,
                "names", Map.of("dns", List.of("kanta.taruvaara.example.fi")),
                "usages", List.of("server-auth", "client-auth"),
                "orderer", Map.of("name", "Satu Keksitty", "email", "satu.keksitty@kuvitelma.example"),
                "technical_contact", Map.of(
                        "name", "Urho Keksitty",
                        "email", "urho.keksitty@yllapito.example",
                        "organisation", "Esimerkkiylläpito Oy"));
    }

    private static Map<String, Object> actor(String user, String role) {
        return Map.of("user_id", user, "account_id", ACCOUNT, "assurance", "high", "role", role);
    }
}
