package uk.passerelle.interop;

import java.util.function.Supplier;

import com.helger.collection.commons.CommonsArrayList;
import com.helger.http.EHttpMethod;
import com.helger.phase4.crypto.AS4CryptParams;
import com.helger.phase4.crypto.AS4SigningParams;
import com.helger.phase4.crypto.ECryptoKeyIdentifierType;
import com.helger.phase4.incoming.AS4RequestHandler;
import com.helger.phase4.incoming.IAS4IncomingMessageState;
import com.helger.phase4.incoming.IAS4IncomingProfileSelector;
import com.helger.phase4.incoming.crypto.AS4IncomingSecurityConfiguration;
import com.helger.phase4.servlet.AS4UnifiedResponse;
import com.helger.phase4.servlet.AS4XServletHandler;
import com.helger.phase4.servlet.IAS4ServletRequestHandlerCustomizer;
import com.helger.web.scope.IRequestWebScopeWithoutResponse;
import com.helger.xservlet.AbstractXServlet;

/** phase4's own servlet handler for one suite: its keys, its P-Modes, our application behind it. */
final class As4Endpoint extends AbstractXServlet {
  private static final long serialVersionUID = 1;

  /** No profile: phase4's profiles only add a validator, and their artifacts need not be there. */
  static final IAS4IncomingProfileSelector NO_PROFILE = new IAS4IncomingProfileSelector() {
    @Override
    public String getAS4ProfileID(IAS4IncomingMessageState state) {
      return null;
    }

    @Override
    public boolean validateAgainstProfile() {
      return false;
    }
  };

  As4Endpoint(Suite suite, Keys keys, Agreements agreements, Inbox inbox, Supplier<ECryptoKeyIdentifierType> reference) {
    // The multipart body is phase4's to read, not the servlet container's.
    settings().setMultipartEnabled(false);
    AS4XServletHandler handler = new AS4XServletHandler();
    handler.setRequestHandlerCustomizer(new IAS4ServletRequestHandlerCustomizer() {
      @Override
      public void customizeBeforeHandling(
          IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler request) {
        request.setCryptoFactorySign(keys.crypto(suite.signAlias));
        request.setCryptoFactoryCrypt(keys.crypto(suite.decryptAlias));
        request.setPModeResolver(agreements.resolver(suite));
        request.setIncomingProfileSelector(NO_PROFILE);
        request.setProcessorSupplier(() -> new CommonsArrayList<>(inbox));
        // How receipts and errors name our certificate.
        request.setIncomingSecurityConfiguration(new AS4IncomingSecurityConfiguration()
            .setSigningParams(new AS4SigningParams().setKeyIdentifierType(reference.get()))
            .setCryptParams(new AS4CryptParams()));
      }

      @Override
      public void customizeAfterHandling(
          IRequestWebScopeWithoutResponse scope, AS4UnifiedResponse response, AS4RequestHandler request) {
        // Nothing to do: the answer is what phase4 made.
      }
    });
    handlerRegistry().registerHandler(EHttpMethod.POST, handler);
  }
}
