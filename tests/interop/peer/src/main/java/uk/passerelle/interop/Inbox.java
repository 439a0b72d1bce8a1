package uk.passerelle.interop;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;

import org.w3c.dom.Node;

import com.helger.collection.commons.ICommonsList;
import com.helger.http.header.HttpHeaderMap;
import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import com.helger.phase4.attachment.WSS4JAttachment;
import com.helger.phase4.ebms3header.Ebms3SignalMessage;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.error.AS4ErrorList;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.spi.AS4MessageProcessorResult;
import com.helger.phase4.incoming.spi.AS4SignalMessageProcessorResult;
import com.helger.phase4.incoming.spi.IAS4IncomingMessageProcessorSPI;
import com.helger.phase4.model.error.EEbmsError;
import com.helger.phase4.model.pmode.IPMode;

/**
 * The application behind phase4: keeps what arrives, refuses what is not signed and encrypted as agreed
 * (phase4 leaves that check to the application), and can be told to refuse or to send a reply.
 */
final class Inbox implements IAS4IncomingMessageProcessorSPI {
  private final Agreements agreements;
  private final Records records;
  private volatile Consumer<JsonObject> replier = message -> { };
  private volatile String refusal;
  private volatile IJsonObject reply;

  Inbox(Agreements agreements, Records records) {
    this.agreements = agreements;
    this.records = records;
  }

  /** {@code refuse}: an EBMS code for every message; {@code reply}: the reply's values, with {@code to_action}. */
  void configure(IJsonObject options) {
    refusal = Json.text(options, "refuse");
    reply = options.get("reply") == null || !options.get("reply").isObject() ? null : options.getAsObject("reply");
  }

  void replyWith(Consumer<JsonObject> send) {
    replier = send;
  }

  @Override
  public AS4MessageProcessorResult processAS4UserMessage(
      IAS4IncomingMessageMetadata metadata,
      HttpHeaderMap headers,
      Ebms3UserMessage message,
      IPMode pmode,
      Node body,
      ICommonsList<WSS4JAttachment> attachments,
      IAS4IncomingMessageState state,
      AS4ErrorList errors) {
    List<WSS4JAttachment> parts = attachments == null ? List.of() : attachments;
    if (!state.isSoapSignatureChecked()) {
      return refuse(EEbmsError.EBMS_POLICY_NONCOMPLIANCE, "not signed", errors);
    }
    if (!parts.isEmpty() && agreements.encrypted(pmode) && !state.isSoapDecrypted()) {
      return refuse(EEbmsError.EBMS_POLICY_NONCOMPLIANCE, "not encrypted", errors);
    }
    if (body != null) {
      return refuse(EEbmsError.EBMS_FEATURE_NOT_SUPPORTED_INCONSISTENCY, "payload in the SOAP Body", errors);
    }
    if (refusal != null) {
      return refuse(EEbmsError.getFromErrorCodeOrNull(refusal), "refused as the test wants", errors);
    }
    JsonObject described;
    try {
      // Reading also decompresses: phase4 answers EBMS:0303 when that fails in here.
      described = Records.describe(message, parts, state);
    } catch (IOException e) {
      return refuse(EEbmsError.EBMS_DECOMPRESSION_FAILURE, "payload cannot be read", errors);
    }
    records.received(described);
    IJsonObject wanted = reply;
    if (wanted != null && described.getAsString("action").equals(Json.text(wanted, "to_action"))) {
      JsonObject answer = (JsonObject) wanted.getClone();
      answer.add("ref_to_message_id", described.getAsString("message_id"));
      answer.add("conversation_id", described.getAsString("conversation_id"));
      replier.accept(answer);
    }
    return AS4MessageProcessorResult.createSuccess();
  }

  private static AS4MessageProcessorResult refuse(EEbmsError error, String detail, AS4ErrorList errors) {
    errors.add(error.errorBuilder(Locale.US).errorDetail(detail).build());
    return AS4MessageProcessorResult.createFailure();
  }

  @Override
  public AS4SignalMessageProcessorResult processAS4SignalMessage(
      IAS4IncomingMessageMetadata metadata,
      HttpHeaderMap headers,
      Ebms3SignalMessage signal,
      IPMode pmode,
      IAS4IncomingMessageState state,
      AS4ErrorList errors) {
    return AS4SignalMessageProcessorResult.createSuccess();
  }

  @Override
  public void processAS4ResponseMessage(
      IAS4IncomingMessageMetadata metadata,
      IAS4IncomingMessageState state,
      String responseMessageId,
      byte[] response,
      boolean available,
      AS4ErrorList errors) {
    for (var error : errors) {
      JsonObject object = Json.error(error.getEbmsError());
      object.addIfNotNull("message_id", (Object) state.getMessageID());
      records.error(object);
    }
  }
}
