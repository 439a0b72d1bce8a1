package uk.passerelle.interop;

import java.io.IOException;
import java.io.InputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

import com.helger.json.IJson;
import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.ebms3header.Ebms3AgreementRef;
import com.helger.phase4.ebms3header.Ebms3PartInfo;
import com.helger.phase4.ebms3header.Ebms3PartyId;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.incoming.IAS4IncomingMessageState;

/** What the peer received and which errors it gave, kept in memory for the tests to ask. */
final class Records {
  private final List<IJson> received = new ArrayList<>();
  private final List<IJson> errors = new ArrayList<>();
  private final List<IJson> replies = new ArrayList<>();

  synchronized void received(IJson message) {
    received.add(message);
  }

  synchronized void error(IJson error) {
    errors.add(error);
  }

  synchronized void reply(IJson answer) {
    replies.add(answer);
  }

  synchronized void clear() {
    received.clear();
    errors.clear();
    replies.clear();
  }

  synchronized JsonArray received() {
    return new JsonArray(received);
  }

  synchronized JsonArray errors() {
    return new JsonArray(errors);
  }

  synchronized JsonArray replies() {
    return new JsonArray(replies);
  }

  /**
   * A verified user message as JSON; payloads are read to their end (decrypted, decompressed) and only
   * digest and size are kept.
   */
  static JsonObject describe(
      Ebms3UserMessage message, List<WSS4JAttachment> attachments, IAS4IncomingMessageState state)
      throws IOException {
    JsonObject object = new JsonObject();
    object.add("message_id", message.getMessageInfo().getMessageId());
    object.addIfNotNull("ref_to_message_id", (Object) message.getMessageInfo().getRefToMessageId());
    object.add("conversation_id", message.getCollaborationInfo().getConversationId());
    var parties = message.getPartyInfo();
    object.add("from", party(parties.getFrom().getPartyIdAtIndex(0), parties.getFrom().getRole()));
    object.add("to", party(parties.getTo().getPartyIdAtIndex(0), parties.getTo().getRole()));
    var collaboration = message.getCollaborationInfo();
    object.add("service", collaboration.getService().getValue());
    object.addIfNotNull("service_type", (Object) collaboration.getService().getType());
    object.add("action", collaboration.getAction());
    Ebms3AgreementRef agreement = collaboration.getAgreementRef();
    if (agreement != null) {
      object.addIfNotNull("agreement", (Object) agreement.getValue());
      object.addIfNotNull("agreement_type", (Object) agreement.getType());
      object.addIfNotNull("agreement_pmode", (Object) agreement.getPmode());
    }
    object.addIfNotNull("mpc", (Object) message.getMpc());
    if (message.getMessageProperties() != null) {
      object.add("properties", Json.properties(message.getMessageProperties().getProperty()));
    }
    object.add("parts", parts(message, attachments));
    object.add("signed", state.isSoapSignatureChecked());
    object.add("decrypted", state.isSoapDecrypted());
    if (state.getSigningCertificate() != null) {
      object.add("signer", state.getSigningCertificate().getSubjectX500Principal().getName());
    }
    object.addIfNotNull("signing_reference", (Object) String.valueOf(state.getSigningCertificateReferenceType()));
    object.addIfNotNull("pmode", (Object) (state.getPMode() == null ? null : state.getPMode().getID()));
    return object;
  }

  private static JsonObject party(Ebms3PartyId party, String role) {
    JsonObject object = new JsonObject();
    object.add("id", party.getValue());
    object.addIfNotNull("type", (Object) party.getType());
    object.add("role", role);
    return object;
  }

  private static JsonArray parts(Ebms3UserMessage message, List<WSS4JAttachment> attachments) throws IOException {
    JsonArray parts = new JsonArray();
    if (message.getPayloadInfo() == null) {
      return parts;
    }
    for (Ebms3PartInfo info : message.getPayloadInfo().getPartInfo()) {
      JsonObject part = new JsonObject();
      part.addIfNotNull("href", (Object) info.getHref());
      if (info.getPartProperties() != null) {
        part.add("properties", Json.properties(info.getPartProperties().getProperty()));
      }
      for (WSS4JAttachment attachment : attachments) {
        if (info.getHref() != null && info.getHref().equals("cid:" + attachment.getId())) {
          digest(attachment, part);
        }
      }
      parts.add(part);
    }
    return parts;
  }

  private static void digest(WSS4JAttachment attachment, JsonObject part) throws IOException {
    MessageDigest digest = sha256();
    long size = 0;
    byte[] buffer = new byte[65_536];
    try (InputStream content = attachment.getSourceStream()) {
      for (int n = content.read(buffer); n >= 0; n = content.read(buffer)) {
        digest.update(buffer, 0, n);
        size += n;
      }
    }
    part.add("content_id", attachment.getId());
    part.add("size", size);
    part.add("sha256", HexFormat.of().formatHex(digest.digest()));
    part.addIfNotNull("mime_type", (Object) attachment.getUncompressedMimeType());
    part.add("compressed", attachment.getCompressionMode() != null);
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
