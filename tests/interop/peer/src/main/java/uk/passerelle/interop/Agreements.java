package uk.passerelle.interop;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

import com.helger.base.state.ETriState;
import com.helger.json.IJson;
import com.helger.json.IJsonObject;
import com.helger.json.serialize.JsonReader;
import com.helger.phase4.CAS4;
import com.helger.phase4.model.EMEP;
import com.helger.phase4.model.EMEPBinding;
import com.helger.phase4.mgr.MetaAS4Manager;
import com.helger.phase4.model.mpc.MPC;
import com.helger.phase4.model.pmode.IPMode;
import com.helger.phase4.model.pmode.PMode;
import com.helger.phase4.model.pmode.PModeJsonConverter;
import com.helger.phase4.model.pmode.PModeParty;
import com.helger.phase4.model.pmode.PModeReceptionAwareness;
import com.helger.phase4.model.pmode.leg.PModeLeg;
import com.helger.phase4.model.pmode.leg.PModeLegBusinessInformation;
import com.helger.phase4.model.pmode.leg.PModeLegErrorHandling;
import com.helger.phase4.model.pmode.leg.PModeLegProtocol;
import com.helger.phase4.model.pmode.leg.PModeLegReliability;
import com.helger.phase4.model.pmode.resolve.IAS4PModeResolver;

/**
 * The agreed P-Modes as phase4 sees them.
 *
 * <p>Every P-Mode is One-Way/Push with two equal legs: phase4 takes leg 2 for each message that carries
 * a RefToMessageId, and refuses it when there is no leg 2. A two-way exchange is two such P-Modes.
 */
final class Agreements {
  /** One P-Mode with what phase4's own class does not say. */
  record Agreed(PMode pmode, Suite suite, boolean encrypt, String agreement, String mpc) {}

  private final List<Agreed> all = new ArrayList<>();
  private volatile String forgotten;

  /** To be called once phase4's global scope has begun: its P-Modes need it. */
  void load(IJsonObject config) {
    String file = Json.text(config, "pmode_file");
    if (file != null) {
      // What `passerelle partner pmode --for phase4` wrote, read by phase4's own converter.
      IJson found = JsonReader.builder().source(Path.of(file), StandardCharsets.UTF_8).read();
      for (IJson one : found.getAsArray()) {
        PMode pmode = PModeJsonConverter.convertToNative(one.getAsObject());
        all.add(new Agreed(pmode, Suite.RSA, true, pmode.getAgreement(), null));
      }
    }
    for (IJsonObject given : Json.objects(config, "pmodes")) {
      Agreed agreed = read(given);
      all.add(agreed);
      // phase4 refuses a message from a channel that its MPC manager does not hold.
      if (agreed.mpc() != null && !MetaAS4Manager.getMPCMgr().containsWithID(agreed.mpc())) {
        MetaAS4Manager.getMPCMgr().createMPC(new MPC(agreed.mpc()));
      }
    }
  }

  private static Agreed read(IJsonObject given) {
    Suite suite = Suite.of(Json.text(given, "suite", "rsa"));
    boolean encrypt = Json.flag(given, "encrypt", true);
    String mpc = Json.text(given, "mpc");
    PMode pmode = pmode(
        Json.text(given, "id"),
        given.getAsObject("from"),
        given.getAsObject("to"),
        Json.text(given, "service"),
        Json.text(given, "action"),
        Json.text(given, "agreement"),
        suite,
        encrypt);
    return new Agreed(pmode, suite, encrypt, Json.text(given, "agreement"), mpc);
  }

  static PMode pmode(
      String id, IJsonObject from, IJsonObject to, String service, String action, String agreement, Suite suite,
      boolean encrypt) {
    return new PMode(
        id,
        party(from),
        party(to),
        agreement == null ? "none" : agreement,
        EMEP.ONE_WAY,
        EMEPBinding.PUSH,
        leg(service, action, suite, encrypt),
        leg(service, action, suite, encrypt),
        null,
        new PModeReceptionAwareness(ETriState.TRUE, ETriState.FALSE, 0, 0, ETriState.TRUE));
  }

  private static PModeParty party(IJsonObject party) {
    return new PModeParty(Json.text(party, "type"), Json.text(party, "id"), Json.text(party, "role"), null, null);
  }

  private static PModeLeg leg(String service, String action, Suite suite, boolean encrypt) {
    return new PModeLeg(
        PModeLegProtocol.createForDefaultSoapVersion(null),
        PModeLegBusinessInformation.create(service, action, null, CAS4.DEFAULT_MPC_ID),
        new PModeLegErrorHandling(
            null, null, ETriState.TRUE, ETriState.TRUE, ETriState.TRUE, ETriState.TRUE),
        (PModeLegReliability) null,
        suite.security(encrypt));
  }

  /** As if no P-Mode had this action; null: all are known again. */
  void forget(String action) {
    forgotten = action;
  }

  /** Finds exactly what was agreed for this suite; phase4 answers EBMS:0010 when there is nothing. */
  IAS4PModeResolver resolver(Suite suite) {
    return (pmodeId, service, action, initiator, responder, agreement, address) -> {
      for (Agreed agreed : all) {
        IPMode pmode = agreed.pmode();
        if (agreed.suite() == suite
            && !action.equals(forgotten)
            && pmode.getInitiator().getIDValue().equals(initiator)
            && pmode.getResponder().getIDValue().equals(responder)
            && pmode.getLeg1().getBusinessInfo().getService().equals(service)
            && pmode.getLeg1().getBusinessInfo().getAction().equals(action)
            && Objects.equals(agreed.agreement(), agreement)) {
          return pmode;
        }
      }
      return null;
    };
  }

  /** Whether payloads of this P-Mode must arrive encrypted: phase4 itself leaves that to the application. */
  boolean encrypted(IPMode pmode) {
    return all.stream().anyMatch(agreed -> agreed.pmode() == pmode && agreed.encrypt());
  }
}
