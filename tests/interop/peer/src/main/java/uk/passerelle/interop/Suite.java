package uk.passerelle.interop;

import com.helger.phase4.crypto.AS4CryptParams;
import com.helger.phase4.crypto.AS4SigningParams;
import com.helger.phase4.crypto.ECryptoAlgorithmCrypt;
import com.helger.phase4.crypto.ECryptoAlgorithmSign;
import com.helger.phase4.crypto.ECryptoAlgorithmSignDigest;
import com.helger.phase4.model.pmode.leg.EPModeSendReceiptReplyPattern;
import com.helger.phase4.model.pmode.leg.PModeLegSecurity;
import com.helger.phase4.wss.EWSSVersion;

/** The algorithm suites of eDelivery AS4: Common Profile 1.15 (RSA) and the two of profile 2.0. */
enum Suite {
  /** 1.15: rsa-sha256, rsa-oaep with SHA-256 and MGF1-SHA-256, aes128-gcm. */
  RSA("rsa", ECryptoAlgorithmSign.RSA_SHA_256, "sign", "decrypt"),
  /** 2.0: Ed25519; X25519 with HKDF and AES-128 key wrap, aes128-gcm. */
  ED25519("ed25519", ECryptoAlgorithmSign.EDDSA_ED25519, "ed25519-sign", "x25519-decrypt"),
  /** 2.0, alternative: ECDSA with SHA-256; ECDH-ES with HKDF and AES-128 key wrap, aes128-gcm. */
  ECDSA("ecdsa", ECryptoAlgorithmSign.ECDSA_SHA_256, "ec-sign", "ec-decrypt");

  /** One endpoint per suite, {@code /as4/ID}: phase4 answers with one key per endpoint. */
  final String id;
  final String signAlias;
  final String decryptAlias;
  private final ECryptoAlgorithmSign signature;

  Suite(String id, ECryptoAlgorithmSign signature, String signAlias, String decryptAlias) {
    this.id = id;
    this.signature = signature;
    this.signAlias = signAlias;
    this.decryptAlias = decryptAlias;
  }

  static Suite of(String id) {
    for (Suite suite : values()) {
      if (suite.id.equals(id)) {
        return suite;
      }
    }
    throw new IllegalArgumentException("unknown suite " + id);
  }

  /** PMode.Security of both profiles differs in the signature algorithm only. */
  PModeLegSecurity security(boolean encrypt) {
    PModeLegSecurity security = new PModeLegSecurity();
    security.setWSSVersion(EWSSVersion.WSS_111);
    security.setX509SignatureAlgorithm(signature);
    security.setX509SignatureHashFunction(ECryptoAlgorithmSignDigest.DIGEST_SHA_256);
    if (encrypt) {
      security.setX509EncryptionAlgorithm(ECryptoAlgorithmCrypt.AES_128_GCM);
      security.setX509EncryptionMinimumStrength(128);
    }
    security.setPModeAuthorize(false);
    security.setSendReceipt(true);
    security.setSendReceiptNonRepudiation(true);
    security.setSendReceiptReplyPattern(EPModeSendReceiptReplyPattern.RESPONSE);
    return security;
  }

  void apply(AS4SigningParams params) {
    params.setAlgorithmSign(signature).setAlgorithmSignDigest(ECryptoAlgorithmSignDigest.DIGEST_SHA_256);
  }

  void apply(AS4CryptParams params) {
    params.setAlgorithmCrypt(ECryptoAlgorithmCrypt.AES_128_GCM);
    switch (this) {
      case ED25519 -> params.setEDelivery2KeyAgreementX25519();
      case ECDSA -> params.setEDelivery2KeyAgreementECDHES();
      default -> { }
    }
  }
}
