package uk.passerelle.interop;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;

import com.helger.json.IJson;
import com.helger.json.IJsonObject;
import com.helger.phase4.crypto.AS4CryptoFactoryInMemoryKeyStore;
import com.helger.phase4.crypto.IAS4CryptoFactory;

/**
 * Keys and certificates of the peer, read from PEM files that the tests made a moment ago: nothing here is secret.
 *
 * <p>PEM and not PKCS12, because a PKCS12 file made elsewhere cannot hold an X25519 key.
 */
final class Keys {
  static final char[] PASSWORD = "tests-only".toCharArray();
  private static final List<String> KEY_TYPES = List.of("RSA", "EC", "EdDSA", "XDH");

  private final Path folder;
  private final KeyStore own = empty();
  private final KeyStore trust = empty();
  private final KeyStore tlsTrust = empty();

  /** Reads {@code keys} (alias → key, chain), {@code trust} and {@code tls_trust} (lists of files). */
  Keys(Path folder, IJsonObject config) throws IOException, GeneralSecurityException {
    this.folder = folder;
    for (var entry : config.getAsObject("keys")) {
      IJsonObject files = entry.getValue().getAsObject();
      Certificate[] chain = certificates(files.getAsString("chain"));
      own.setKeyEntry(entry.getKey(), key(files.getAsString("key")), PASSWORD, chain);
    }
    fill(trust, config, "trust");
    fill(tlsTrust, config, "tls_trust");
  }

  private void fill(KeyStore store, IJsonObject config, String name) throws IOException, GeneralSecurityException {
    int number = 0;
    for (IJson file : config.getAsArray(name)) {
      for (Certificate certificate : certificates(file.getAsValue().getAsString())) {
        store.setCertificateEntry(name + "-" + number++, certificate);
      }
    }
  }

  /** What signs or decrypts with this alias; signatures are verified against the trusted certificates. */
  IAS4CryptoFactory crypto(String alias) {
    return new AS4CryptoFactoryInMemoryKeyStore(own, alias, PASSWORD, trust);
  }

  /** A store with one key only: the TLS listener must not choose among the others. */
  KeyStore only(String alias) throws GeneralSecurityException {
    KeyStore store = empty();
    store.setKeyEntry(alias, own.getKey(alias, PASSWORD), PASSWORD, own.getCertificateChain(alias));
    return store;
  }

  KeyStore tlsTrust() {
    return tlsTrust;
  }

  X509Certificate certificate(String file) throws IOException, GeneralSecurityException {
    return (X509Certificate) certificates(file)[0];
  }

  private Certificate[] certificates(String file) throws IOException, GeneralSecurityException {
    byte[] pem = Files.readAllBytes(folder.resolve(file));
    return CertificateFactory.getInstance("X.509")
        .generateCertificates(new ByteArrayInputStream(pem))
        .toArray(new Certificate[0]);
  }

  private PrivateKey key(String file) throws IOException, GeneralSecurityException {
    String pem = Files.readString(folder.resolve(file), StandardCharsets.US_ASCII);
    byte[] der = Base64.getMimeDecoder().decode(pem.replaceAll("-----[^-]+-----", ""));
    for (String type : KEY_TYPES) {
      try {
        return KeyFactory.getInstance(type).generatePrivate(new PKCS8EncodedKeySpec(der));
      } catch (InvalidKeySpecException ignored) {
        // PKCS8 says the type inside; the next factory may be the right one.
      }
    }
    throw new GeneralSecurityException("no key factory for " + file);
  }

  private static KeyStore empty() {
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      return store;
    } catch (IOException | GeneralSecurityException e) {
      throw new IllegalStateException(e);
    }
  }
}
