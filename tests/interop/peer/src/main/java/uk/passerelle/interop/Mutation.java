package uk.passerelle.interop;

import java.util.List;

import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

import com.helger.json.IJsonObject;
import com.helger.phase4.CAS4;
import com.helger.phase4.client.IAS4ClientBuildMessageCallback;
import com.helger.phase4.ebms3header.Ebms3PartInfo;
import com.helger.phase4.ebms3header.Ebms3PartProperties;
import com.helger.phase4.ebms3header.Ebms3PayloadInfo;
import com.helger.phase4.ebms3header.Ebms3Property;
import com.helger.phase4.ebms3header.Ebms3UserMessage;
import com.helger.phase4.model.message.AS4UserMessage;
import com.helger.phase4.model.message.AbstractAS4Message;
import com.helger.phase4.model.message.MessageHelperMethods;

/** Bends a message while phase4 builds it: header values its client has no setter for, and errors on purpose. */
final class Mutation implements IAS4ClientBuildMessageCallback {
  private static final String SOAP = "http://www.w3.org/2003/05/soap-envelope";

  private final IJsonObject options;
  private final String name;

  Mutation(IJsonObject options) {
    this.options = options;
    this.name = Json.text(options, "mutate", "");
  }

  @Override
  public void onAS4Message(AbstractAS4Message<?> built) {
    if (!(built instanceof AS4UserMessage message)) {
      return;
    }
    Ebms3UserMessage user = message.getEbms3UserMessage();
    if (Json.text(options, "mpc") != null) {
      user.setMpc(Json.text(options, "mpc"));
    }
    typePartProperties(user);
    switch (name) {
      case "missing-part" -> announce(user, "cid:not-there@interop.test");
      case "external-href" -> announce(user, "https://payloads.interop.test/document");
      case "two-from" -> user.getPartyInfo().getFrom().addPartyId(
          MessageHelperMethods.createEbms3PartyId("urn:test:party:second"));
      case "no-mime-type" -> dropPartProperty(user, "MimeType");
      case "bad-charset" -> addPartProperty(user, "CharacterSet", "no-such-charset");
      case "reverse-part-info" -> java.util.Collections.reverse(user.getPayloadInfo().getPartInfo());
      default -> { }
    }
  }

  private void typePartProperties(Ebms3UserMessage user) {
    List<IJsonObject> payloads = Json.objects(options, "payloads");
    for (int i = 0; i < payloads.size(); i++) {
      for (IJsonObject wanted : Json.objects(payloads.get(i), "properties")) {
        for (Ebms3Property property : user.getPayloadInfo().getPartInfoAtIndex(i).getPartProperties().getProperty()) {
          if (property.getName().equals(Json.text(wanted, "name"))) {
            property.setType(Json.text(wanted, "type"));
          }
        }
      }
    }
  }

  private static void announce(Ebms3UserMessage user, String href) {
    if (user.getPayloadInfo() == null) {
      user.setPayloadInfo(new Ebms3PayloadInfo());
    }
    Ebms3PartInfo part = new Ebms3PartInfo();
    part.setHref(href);
    user.getPayloadInfo().addPartInfo(part);
  }

  private static void dropPartProperty(Ebms3UserMessage user, String property) {
    for (Ebms3PartInfo part : user.getPayloadInfo().getPartInfo()) {
      part.getPartProperties().getProperty().removeIf(p -> p.getName().equals(property));
    }
  }

  private static void addPartProperty(Ebms3UserMessage user, String property, String value) {
    dropPartProperty(user, property);
    for (Ebms3PartInfo part : user.getPayloadInfo().getPartInfo()) {
      if (part.getPartProperties() == null) {
        part.setPartProperties(new Ebms3PartProperties());
      }
      part.getPartProperties().addProperty(MessageHelperMethods.createEbms3Property(property, value));
    }
  }

  @Override
  public void onSoapDocument(Document document) {
    if (name.equals("body-payload")) {
      Element body = (Element) document.getElementsByTagNameNS(SOAP, "Body").item(0);
      body.appendChild(document.createElementNS("urn:test:payload", "document"));
    }
  }

  @Override
  public void onSignedSoapDocument(Document document) {
    switch (name) {
      case "digest" -> swapFirst(one(document, CAS4.DS_NS, "DigestValue"));
      case "signature" -> swapFirst(one(document, CAS4.DS_NS, "SignatureValue"));
      case "header-after-signing" -> one(document, CAS4.EBMS_NS, "ConversationId").setTextContent("another");
      case "second-messaging" -> {
        Element messaging = one(document, CAS4.EBMS_NS, "Messaging");
        messaging.getParentNode().appendChild(messaging.cloneNode(true));
      }
      default -> { }
    }
  }

  private static Element one(Document document, String namespace, String local) {
    NodeList found = document.getElementsByTagNameNS(namespace, local);
    return (Element) found.item(0);
  }

  private static void swapFirst(Element element) {
    String text = element.getTextContent().trim();
    element.setTextContent((text.charAt(0) == 'A' ? 'B' : 'A') + text.substring(1));
  }
}
