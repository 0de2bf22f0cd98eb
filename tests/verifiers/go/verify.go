// Verifies certificates with Go's own crypto/x509. Each line of standard input is one to verify:
// ROOT ISSUING CRL SECONDS POLICY CERTIFICATE, with tabs between; the answer is a line as well.
package main

import (
	"bufio"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(verdict(strings.Split(lines.Text(), "\t")))
	}
}

func verdict(given []string) string {
	roots, issuers := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(certificate(given[0]))
	issuing := certificate(given[1])
	issuers.AddCert(issuing)
	crl, err := x509.ParseRevocationList(content(given[2]))
	must(err)
	must(crl.CheckSignatureFrom(issuing))
	seconds, err := strconv.ParseInt(given[3], 10, 64)
	must(err)
	it := certificate(given[5])
	if len(it.PolicyIdentifiers) != 1 || it.PolicyIdentifiers[0].String() != given[4] {
		return "refused: another policy"
	}
	if _, err := it.Verify(x509.VerifyOptions{
		Roots:         roots,
		Intermediates: issuers,
		CurrentTime:   time.Unix(seconds, 0),
		KeyUsages:     []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return "refused: " + err.Error()
	}
	for _, name := range it.DNSNames {
		if err := it.VerifyHostname(name); err != nil {
			return "refused: " + err.Error()
		}
	}
	for _, entry := range crl.RevokedCertificateEntries {
		if entry.SerialNumber.Cmp(it.SerialNumber) == 0 {
			return "refused: revoked"
		}
	}
	return "accepted"
}

func certificate(name string) *x509.Certificate {
	block, _ := pem.Decode(content(name))
	it, err := x509.ParseCertificate(block.Bytes)
	must(err)
	return it
}

func content(name string) []byte {
	it, err := os.ReadFile(name)
	must(err)
	return it
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
