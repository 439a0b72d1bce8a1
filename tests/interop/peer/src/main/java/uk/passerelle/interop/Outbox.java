package uk.passerelle.interop;

import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.cert.X509Certificate;
import java.time.OffsetDateTime;
import java.util.List;
import java.util.Locale;

import org.apache.hc.core5.http.io.entity.EntityUtils;

import com.helger.base.io.stream.HasInputStream;
import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import com.helger.mime.parse.MimeTypeParser;
import com.helger.phase4.attachment.EAS4CompressionMode;
import com.helger.phase4.attachment.IAS4IncomingAttachmentFactory;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.client.AS4ClientPullRequestMessage;
import com.helger.phase4.client.AS4ClientReceiptMessage;
import com.helger.phase4.client.AS4ClientUserMessage;
import com.helger.phase4.crypto.AS4CryptParams;
import com.helger.phase4.crypto.AS4SigningParams;
import com.helger.phase4.crypto.ECryptoKeyEncryptionAlgorithm;
import com.helger.phase4.crypto.ECryptoKeyIdentifierType;
import com.helger.phase4.crypto.IAS4CryptoFactory;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.incoming.AS4IncomingReceiverConfiguration;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.crypto.AS4IncomingSecurityConfiguration;
import com.helger.phase4.model.message.MessageHelperMethods;
import com.helger.phase4.model.pmode.IPMode;
import com.helger.phase4.sender.AS4BidirectionalClientHelper;
import com.helger.phase4.util.AS4ResourceHelper;
import com.helger.phase4.util.Phase4Exception;

/** Sends user messages and pull requests with phase4's client, and says in JSON how they were answered. */
final class Outbox {
  private final File folder;
  private final Keys keys;
  private final Http http;
  private final Agreements agreements;
  private final IJsonObject recipients;

  Outbox(File folder, Keys keys, Agreements agreements, IJsonObject config) {
    this.folder = folder;
    this.keys = keys;
    this.http = new Http(keys);
    this.agreements = agreements;
    this.recipients = config.getAsObject("recipients");
  }

  // ---- user messages ----------------------------------------------------------------------------

  JsonObject send(IJsonObject options) throws IOException {
    JsonObject result = new JsonObject();
    Answers answers = new Answers(result);
    try (AS4ResourceHelper resources = new AS4ResourceHelper()) {
      Suite suite = Suite.of(Json.text(options, "suite", "rsa"));
      IAS4CryptoFactory sign = keys.crypto(Json.text(options, "sign_key", suite.signAlias));
      IAS4CryptoFactory decrypt = keys.crypto(suite.decryptAlias);
      AS4ClientUserMessage message = userMessage(options, suite, resources);
      message.setCryptoFactorySign(sign).setCryptoFactoryCrypt(decrypt);
      IPMode pmode = sendingPMode(options, suite);
      message.setPMode(pmode, false);
      message.setHttpPoster(http.poster(options, answers));
      message.httpRetrySettings().setMaxRetries(0);
      result.add("message_id", message.createMessageID());
      AS4BidirectionalClientHelper.sendAS4UserMessageAndReceiveAS4SignalMessage(
          sign,
          decrypt,
          agreements.resolver(suite),
          IAS4IncomingAttachmentFactory.DEFAULT_INSTANCE,
          As4Endpoint.NO_PROFILE,
          message,
          Locale.US,
          Json.text(options, "url"),
          new Mutation(options),
          null,
          null,
          AS4IncomingSecurityConfiguration.createDefaultInstance(),
          new AS4IncomingReceiverConfiguration(),
          null,
          answers,
          answers,
          answers);
    } catch (Exception e) {
      // A refused signature, an unreadable answer, a closed connection: part of the result, not a failure here.
      result.add("exception", Json.chain(e));
    }
    return result;
  }

  private AS4ClientUserMessage userMessage(IJsonObject options, Suite suite, AS4ResourceHelper resources)
      throws IOException, GeneralSecurityException {
    AS4ClientUserMessage message = new AS4ClientUserMessage(resources);
    message.setMessageID(Json.text(options, "message_id", MessageHelperMethods.createRandomMessageID()));
    message.setRefToMessageID(Json.text(options, "ref_to_message_id"));
    message.setConversationID(Json.text(options, "conversation_id", MessageHelperMethods.createRandomConversationID()));
    IJsonObject from = options.getAsObject("from");
    IJsonObject to = options.getAsObject("to");
    message.setFromPartyID(Json.text(from, "id")).setFromPartyIDType(Json.text(from, "type"));
    message.setFromRole(Json.text(from, "role"));
    message.setToPartyID(Json.text(to, "id")).setToPartyIDType(Json.text(to, "type"));
    message.setToRole(Json.text(to, "role"));
    message.setServiceValue(Json.text(options, "service")).setServiceType(Json.text(options, "service_type"));
    message.setAction(Json.text(options, "action"));
    message.setAgreementRefValue(Json.text(options, "agreement"));
    message.setAgreementTypeValue(Json.text(options, "agreement_type"));
    message.setPModeID(Json.text(options, "pmode"));
    String timestamp = Json.text(options, "timestamp");
    if (timestamp != null) {
      message.setSendingDateTime(OffsetDateTime.parse(timestamp));
    }
    for (IJsonObject property : Json.objects(options, "properties")) {
      message.ebms3Properties().add(MessageHelperMethods.createEbms3Property(
          Json.text(property, "name"), Json.text(property, "type"), Json.text(property, "value")));
    }
    for (IJsonObject payload : Json.objects(options, "payloads")) {
      message.addAttachment(attachment(payload, options, resources));
    }
    if (Json.flag(options, "sign", true)) {
      sign(message.signingParams(), suite, options);
    }
    if (Json.flag(options, "encrypt", true)) {
      encrypt(message.cryptParams(), suite, options);
    }
    return message;
  }

  private static void sign(AS4SigningParams params, Suite suite, IJsonObject options) {
    suite.apply(params);
    params.setKeyIdentifierType(reference(Json.text(options, "sign_reference", "bst")));
  }

  private void encrypt(AS4CryptParams params, Suite suite, IJsonObject options)
      throws IOException, GeneralSecurityException {
    suite.apply(params);
    params.setKeyIdentifierType(reference(Json.text(options, "encrypt_reference", "bst")));
    X509Certificate to = keys.certificate(Json.text(recipients, Json.text(options, "recipient", suite.id)));
    params.setCertificate(to);
    if (Json.flag(options, "oaep_sha1", false)) {
      params.setKeyEncAlgorithm(ECryptoKeyEncryptionAlgorithm.RSA_OAEP_XENC11);
      params.setMGFAlgorithm("http://www.w3.org/2009/xmlenc11#mgf1sha1");
      params.setDigestAlgorithm("http://www.w3.org/2000/09/xmldsig#sha1");
    }
  }

  static ECryptoKeyIdentifierType reference(String name) {
    return switch (name) {
      case "bst" -> ECryptoKeyIdentifierType.BST_DIRECT_REFERENCE;
      case "issuer-serial" -> ECryptoKeyIdentifierType.ISSUER_SERIAL;
      case "ski" -> ECryptoKeyIdentifierType.SKI_KEY_IDENTIFIER;
      case "x509" -> ECryptoKeyIdentifierType.X509_KEY_IDENTIFIER;
      case "thumbprint" -> ECryptoKeyIdentifierType.THUMBPRINT_IDENTIFIER;
      default -> throw new IllegalArgumentException("unknown key reference " + name);
    };
  }

  private WSS4JAttachment attachment(IJsonObject payload, IJsonObject options, AS4ResourceHelper resources)
      throws IOException {
    boolean compress = Json.flag(payload, "compress", true);
    String charset = Json.text(payload, "charset");
    WSS4JAttachment attachment = WSS4JAttachment.createOutgoingFileAttachment(
        content(payload, resources),
        Json.text(payload, "content_id"),
        null,
        MimeTypeParser.safeParseMimeType(Json.text(payload, "mime_type", "application/octet-stream")),
        compress ? EAS4CompressionMode.GZIP : null,
        charset == null ? null : Charset.forName(charset),
        resources);
    if ("bad-gzip".equals(Json.text(options, "mutate"))) {
      byte[] noise = "this was never compressed".getBytes(StandardCharsets.US_ASCII);
      attachment.setSourceStreamProvider(
          HasInputStream.multiple(() -> new ByteArrayInputStream(noise)));
    }
    for (IJsonObject property : Json.objects(payload, "properties")) {
      attachment.customPartProperties().put(Json.text(property, "name"), Json.text(property, "value"));
    }
    return attachment;
  }

  private File content(IJsonObject payload, AS4ResourceHelper resources) throws IOException {
    String name = Json.text(payload, "file");
    if (name != null) {
      return new File(folder, name).isFile() ? new File(folder, name) : new File(name);
    }
    File file = resources.createTempFile();
    try (OutputStream out = new FileOutputStream(file)) {
      String text = Json.text(payload, "text");
      if (text != null) {
        out.write(text.getBytes(StandardCharsets.UTF_8));
      } else {
        fill(out, Json.number(payload, "size", 0), Json.text(payload, "seed", "0"));
      }
    }
    return file;
  }

  /** {@code size} bytes that do not compress: SHA-256 of seed and counter, one block after the other. */
  private static void fill(OutputStream out, long size, String seed) throws IOException {
    MessageDigest digest = Records.sha256();
    byte[] start = seed.getBytes(StandardCharsets.UTF_8);
    long left = size;
    for (long counter = 0; left > 0; counter++) {
      digest.update(start);
      byte[] block = digest.digest(Long.toString(counter).getBytes(StandardCharsets.US_ASCII));
      out.write(block, 0, (int) Math.min(block.length, left));
      left -= block.length;
    }
  }

  private static IPMode sendingPMode(IJsonObject options, Suite suite) {
    return Agreements.pmode(
        "sending",
        options.getAsObject("from"),
        options.getAsObject("to"),
        Json.text(options, "service"),
        Json.text(options, "action"),
        Json.text(options, "agreement"),
        suite,
        Json.flag(options, "encrypt", true));
  }

  // ---- pull -------------------------------------------------------------------------------------

  JsonObject pull(IJsonObject options) throws IOException {
    JsonObject result = new JsonObject();
    Answers answers = new Answers(result);
    try (AS4ResourceHelper resources = new AS4ResourceHelper()) {
      Suite suite = Suite.of(Json.text(options, "suite", "rsa"));
      IAS4CryptoFactory sign = keys.crypto(Json.text(options, "sign_key", suite.signAlias));
      IAS4CryptoFactory decrypt = keys.crypto(suite.decryptAlias);
      AS4ClientPullRequestMessage request = new AS4ClientPullRequestMessage(resources);
      request.setMPC(Json.text(options, "mpc"));
      request.setCryptoFactorySign(sign).setCryptoFactoryCrypt(decrypt);
      if (Json.flag(options, "sign", true)) {
        sign(request.signingParams(), suite, options);
      }
      request.setMessageID(Json.text(options, "message_id", MessageHelperMethods.createRandomMessageID()));
      request.setHttpPoster(http.poster(options, answers));
      request.httpRetrySettings().setMaxRetries(0);
      result.add("message_id", request.createMessageID());
      AS4BidirectionalClientHelper.sendAS4PullRequestAndReceiveAS4UserOrSignalMessage(
          sign,
          decrypt,
          agreements.resolver(suite),
          IAS4IncomingAttachmentFactory.DEFAULT_INSTANCE,
          As4Endpoint.NO_PROFILE,
          request,
          Locale.US,
          Json.text(options, "url"),
          null,
          null,
          null,
          AS4IncomingSecurityConfiguration.createDefaultInstance(),
          new AS4IncomingReceiverConfiguration(),
          null,
          answers,
          (message, metadata, state) -> pulled(message, state, options, suite, sign, resources, result),
          answers,
          answers,
          sendingPMode(options, suite));
    } catch (Exception e) {
      result.add("exception", Json.chain(e));
    }
    return result;
  }

  /** Describes the pulled message and POSTs its receipt back (AS4 profile 2.1.2: a receipt by callback). */
  private void pulled(
      Ebms3UserMessage message,
      IAS4IncomingMessageState state,
      IJsonObject options,
      Suite suite,
      IAS4CryptoFactory sign,
      AS4ResourceHelper resources,
      JsonObject result)
      throws Phase4Exception {
    try {
      List<WSS4JAttachment> parts = state.hasDecryptedAttachments()
          ? state.getDecryptedAttachments()
          : state.hasOriginalAttachments() ? state.getOriginalAttachments() : List.of();
      result.add("kind", "user-message");
      result.add("user_message", Records.describe(message, parts, state));
      if (!Json.flag(options, "receipt", true)) {
        return;
      }
      AS4ClientReceiptMessage receipt = new AS4ClientReceiptMessage(resources);
      receipt.setCryptoFactorySign(sign).setCryptoFactoryCrypt(sign);
      sign(receipt.signingParams(), suite, options);
      receipt.setNonRepudiation(true).setReceiptShouldBeSigned(true);
      receipt.setEbms3UserMessage(message).setSoapDocument(state.getOriginalSoapDocument());
      JsonObject answer = new JsonObject();
      receipt.setHttpPoster(http.poster(options, new Answers(answer)));
      receipt.httpRetrySettings().setMaxRetries(0);
      int[] status = new int[1];
      var sent = receipt.sendMessageWithRetries(
          Json.text(options, "receipt_url", Json.text(options, "url")),
          response -> {
            status[0] = response.getCode();
            return response.getEntity() == null ? new byte[0] : EntityUtils.toByteArray(response.getEntity());
          },
          null,
          null,
          null);
      answer.add("status", status[0]);
      answer.add("bytes", sent.getResponseContent() == null ? 0 : sent.getResponseContent().length);
      answer.add("message_id", sent.getMessageID());
      result.add("receipt", answer);
    } catch (Exception e) {
      throw new Phase4Exception("the pulled message could not be handled", e);
    }
  }
}
