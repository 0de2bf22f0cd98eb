import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.*;
import java.util.*;

/**
 * Judges certificates by OCSP answers with Java's own PKIX. Each line of standard input is one to judge:
 * ROOT ISSUING ANSWER SECONDS CERTIFICATE, with tabs between; the answer is a line as well.
 */
public class Ocsp {
    public static void main(String[] none) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(verdict(line.split("\t")));
        }
    }

    private static String verdict(String[] given) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate issuing = certificate(factory, given[1]);
        X509Certificate judged = certificate(factory, given[4]);
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(certificate(factory, given[0]), null)));
        parameters.setDate(new Date(Long.parseLong(given[3]) * 1000));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker revocation = (PKIXRevocationChecker) validator.getRevocationChecker();
        revocation.setOcspResponses(Map.of(judged, Files.readAllBytes(Path.of(given[2]))));
        revocation.setOptions(EnumSet.of(
            PKIXRevocationChecker.Option.ONLY_END_ENTITY,
            PKIXRevocationChecker.Option.NO_FALLBACK));
        parameters.addCertPathChecker(revocation);
        try {
            validator.validate(factory.generateCertPath(List.of(judged, issuing)), parameters);
            return "good";
        } catch (CertPathValidatorException refused) {
            if (refused.getCause() instanceof CertificateRevokedException revoked) {
                long seconds = revoked.getRevocationDate().getTime() / 1000;
                return "revoked " + revoked.getRevocationReason() + " " + seconds;
            }
            return "refused: " + refused.getReason() + " " + refused.getMessage();
        }
    }

    private static X509Certificate certificate(CertificateFactory factory, String name) throws Exception {
        try (InputStream file = new FileInputStream(name)) {
            return (X509Certificate) factory.generateCertificate(file);
        }
    }
}
