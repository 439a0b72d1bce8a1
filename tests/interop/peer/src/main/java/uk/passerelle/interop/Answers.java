package uk.passerelle.interop;

import java.util.Base64;

import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import com.helger.phase4.client.AS4ClientSentMessage;
import com.helger.phase4.ebms3header.Ebms3Error;
import com.helger.phase4.ebms3header.Ebms3SignalMessage;
import com.helger.phase4.incoming.IAS4IncomingMessageMetadata;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.IAS4SignalMessageConsumer;
import com.helger.phase4.sender.IAS4RawResponseConsumer;
import com.helger.phase4.sender.IAS4SignalMessageValidationResultHandler;

/** Collects everything phase4 says about the answer. */
final class Answers
    implements IAS4RawResponseConsumer, IAS4SignalMessageConsumer, IAS4SignalMessageValidationResultHandler {
  private static final int SHOWN_ANSWER = 200_000;

  private final JsonObject result;
  private final JsonArray bodies = new JsonArray();
  private final JsonArray complaints = new JsonArray();

  Answers(JsonObject result) {
    this.result = result;
    result.add("kind", "none");
    result.add("nrr", "none");
    result.add("bodies", bodies);
    result.add("complaints", complaints);
  }

  void body(byte[] body) {
    if (body.length <= SHOWN_ANSWER) {
      bodies.add(Base64.getEncoder().encodeToString(body));
    }
  }

  @Override
  public void handleResponse(AS4ClientSentMessage<byte[]> sent) {
    result.add("status", sent.getResponseStatusLine() == null ? 0 : sent.getResponseStatusLine().getStatusCode());
    result.addIfNotNull("content_type", (Object) sent.getResponseHeaders().getFirstHeaderValue("Content-Type"));
  }

  @Override
  public void handleSignalMessage(
      Ebms3SignalMessage signal,
      IAS4IncomingMessageMetadata metadata,
      IAS4IncomingMessageState state) {
    result.add("kind", signal.getReceipt() != null ? "receipt" : "error");
    result.add("signed", state.isSoapSignatureChecked());
    result.addIfNotNull("ref_to_message_id", (Object) signal.getMessageInfo().getRefToMessageId());
    result.add("signal_id", signal.getMessageInfo().getMessageId());
    if (state.getSigningCertificate() != null) {
      result.add("signer", state.getSigningCertificate().getSubjectX500Principal().getName());
    }
    JsonArray errors = new JsonArray();
    for (Ebms3Error error : signal.getError()) {
      errors.add(Json.error(error));
    }
    result.add("errors", errors);
  }

  @Override
  public void onSuccess() {
    result.add("nrr", "matched");
  }

  @Override
  public void onError(String text) {
    result.add("nrr", "mismatch");
    complaints.add(text);
  }

  @Override
  public void onNotApplicable() {
    // "none" already.
  }
}
