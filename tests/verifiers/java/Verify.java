import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.security.cert.*;
import java.util.*;

/**
 * Verifies certificates with Java's own PKIX. Each line of standard input is one to verify:
 * ROOT ISSUING CRL SECONDS POLICY CERTIFICATE, with tabs between; the answer is a line as well.
 */
public class Verify {
    public static void main(String[] none) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            System.out.println(verdict(line.split("\t")));
        }
    }

    private static String verdict(String[] given) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        X509Certificate issuing = certificate(factory, given[1]);
        CRL crl;
        try (InputStream file = new FileInputStream(given[2])) {
            crl = factory.generateCRL(file);
        }
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(certificate(factory, given[0]), null)));
        parameters.setDate(new Date(Long.parseLong(given[3]) * 1000));
        parameters.setInitialPolicies(Set.of(given[4]));
        parameters.setExplicitPolicyRequired(true);
        parameters.addCertStore(CertStore.getInstance("Collection", new CollectionCertStoreParameters(List.of(crl))));
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker revocation = (PKIXRevocationChecker) validator.getRevocationChecker();
        revocation.setOptions(EnumSet.of(
            PKIXRevocationChecker.Option.ONLY_END_ENTITY,
            PKIXRevocationChecker.Option.PREFER_CRLS,
            PKIXRevocationChecker.Option.NO_FALLBACK));
        parameters.addCertPathChecker(revocation);
        try {
            validator.validate(factory.generateCertPath(List.of(certificate(factory, given[5]), issuing)), parameters);
            return "accepted";
        } catch (CertPathValidatorException refused) {
            return "refused: " + refused.getReason();
        }
    }

    private static X509Certificate certificate(CertificateFactory factory, String name) throws Exception {
        try (InputStream file = new FileInputStream(name)) {
            return (X509Certificate) factory.generateCertificate(file);
        }
    }
}
