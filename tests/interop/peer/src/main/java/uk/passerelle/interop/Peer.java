package uk.passerelle.interop;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.Provider;
import java.security.Security;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.eclipse.jetty.ee10.servlet.ServletContextHandler;
import org.eclipse.jetty.server.HttpConfiguration;
import org.eclipse.jetty.server.HttpConnectionFactory;
import org.eclipse.jetty.server.SecureRequestCustomizer;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;
import org.eclipse.jetty.server.SslConnectionFactory;
import org.eclipse.jetty.util.ssl.SslContextFactory;

import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import com.helger.json.serialize.JsonReader;
import com.helger.phase4.CAS4Version;
import com.helger.phase4.crypto.ECryptoKeyIdentifierType;
import com.helger.phase4.incoming.AS4ServerInitializer;
import com.helger.phase4.mgr.AS4ManagerFactoryInMemory;
import com.helger.phase4.mgr.MetaAS4Manager;
import com.helger.web.scope.mgr.WebScopeManager;

import jakarta.servlet.ServletContextEvent;
import jakarta.servlet.ServletContextListener;

/**
 * A real AS4 access point for the interop tests: phase4 in embedded Jetty, with a control API.
 *
 * <p>{@code java -cp … uk.passerelle.interop.Peer FOLDER}, where FOLDER holds {@code peer.json} and the PEM
 * files it names.
 */
public final class Peer {
  private final IJsonObject config;
  private final Keys keys;
  private final Agreements agreements = new Agreements();
  private final Records records = new Records();
  private final Inbox inbox;
  private final Outbox outbox;
  private final ExecutorService replies = Executors.newCachedThreadPool(runnable -> {
    Thread thread = new Thread(runnable, "reply");
    thread.setDaemon(true);
    return thread;
  });
  private volatile ECryptoKeyIdentifierType receiptReference = ECryptoKeyIdentifierType.BST_DIRECT_REFERENCE;

  private Peer(Path folder) throws Exception {
    config = JsonReader.builder()
        .source(folder.resolve("peer.json"), StandardCharsets.UTF_8)
        .readAsObject();
    keys = new Keys(folder, config);
    inbox = new Inbox(agreements, records);
    outbox = new Outbox(folder.toFile(), keys, agreements, config);
    inbox.replyWith(options -> replies.submit(() -> {
      records.reply(outbox.send(options));
      return null;
    }));
  }

  /**
   * The AES-GCM of Java 17 keeps a whole ciphertext until its tag is checked, and {@code CipherInputStream} gives
   * it a new buffer every 512 bytes: 50 MB take ten minutes. Bouncy Castle, which phase4 brings, streams.
   */
  private static void preferStreamingCipher() {
    Provider slow = Security.getProvider("SunJCE");
    int place = List.of(Security.getProviders()).indexOf(slow) + 1;
    Security.insertProviderAt(new BouncyCastleProvider(), place);
  }

  public static void main(String[] arguments) throws Exception {
    preferStreamingCipher();
    Peer peer = new Peer(Path.of(arguments[0]));
    Server server = peer.serve();
    peer.control(server);
    server.join();
    System.exit(0);
  }

  private Server serve() throws Exception {
    Server server = new Server();
    HttpConfiguration http = new HttpConfiguration();
    http.setSendServerVersion(false);
    // The tests call an IP address: there is no server name to compare.
    http.addCustomizer(new SecureRequestCustomizer(false));
    ServerConnector connector = new ServerConnector(
        server, new SslConnectionFactory(tls(), "http/1.1"), new HttpConnectionFactory(http));
    connector.setHost("127.0.0.1");
    connector.setPort((int) Json.number(config, "as4_port", 0));
    server.addConnector(connector);
    ServletContextHandler context = new ServletContextHandler("/");
    context.addEventListener(new Scope());
    server.setHandler(context);
    server.start();
    return server;
  }

  private SslContextFactory.Server tls() throws GeneralSecurityException {
    SslContextFactory.Server tls = new SslContextFactory.Server();
    tls.setKeyStore(keys.only("tls"));
    tls.setKeyStorePassword(new String(Keys.PASSWORD));
    tls.setIncludeProtocols("TLSv1.2", "TLSv1.3");
    return tls;
  }

  private void control(Server server) throws Exception {
    Control control = new Control((int) Json.number(config, "control_port", 0));
    control.on("/status", options -> status());
    control.on("/send", outbox::send);
    control.on("/pull", outbox::pull);
    control.on("/received", options -> records.received());
    control.on("/errors", options -> records.errors());
    control.on("/replies", options -> records.replies());
    control.on("/configure", options -> configure(options));
    control.on("/reset", options -> {
      records.clear();
      MetaAS4Manager.getIncomingDuplicateMgr().clearCache();
      return configure(new JsonObject());
    });
    control.on("/shutdown", options -> {
      Thread stop = new Thread(() -> stop(server), "stop");
      stop.start();
      return new JsonObject();
    });
    control.start();
  }

  private JsonObject configure(IJsonObject options) {
    inbox.configure(options);
    agreements.forget(Json.text(options, "forget"));
    receiptReference = Outbox.reference(Json.text(options, "receipt_reference", "bst"));
    return new JsonObject();
  }

  private static JsonObject status() {
    JsonObject status = new JsonObject();
    status.add("ready", true);
    status.add("phase4", CAS4Version.BUILD_VERSION);
    status.add("jetty", Server.getVersion());
    status.add("java", System.getProperty("java.version"));
    status.add("java_vendor", System.getProperty("java.vm.name"));
    return status;
  }

  private static void stop(Server server) {
    try {
      Thread.sleep(100); // lets the answer to /shutdown leave first
      server.stop();
    } catch (Exception e) {
      System.exit(1);
    }
  }

  /** phase4 keeps its managers in a global scope that begins with the servlet context; all else comes after. */
  private final class Scope implements ServletContextListener {
    @Override
    public void contextInitialized(ServletContextEvent event) {
      WebScopeManager.onGlobalBegin(event.getServletContext());
      MetaAS4Manager.setFactory(new AS4ManagerFactoryInMemory());
      AS4ServerInitializer.initAS4Server();
      agreements.load(config);
      for (Suite suite : Suite.values()) {
        As4Endpoint endpoint = new As4Endpoint(suite, keys, agreements, inbox, () -> receiptReference);
        // The suite that the configuration names first answers at /as4 itself.
        boolean first = suite.id.equals(Json.text(config, "suite", Suite.RSA.id));
        event.getServletContext().addServlet(suite.id, endpoint).addMapping("/as4" + (first ? "" : "/" + suite.id));
      }
    }

    @Override
    public void contextDestroyed(ServletContextEvent event) {
      AS4ServerInitializer.shutdownAS4Server();
      WebScopeManager.onGlobalEnd();
    }
  }
}
