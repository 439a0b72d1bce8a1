package uk.passerelle.interop;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.time.Duration;

import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

import org.apache.hc.core5.http.HttpEntity;
import org.apache.hc.core5.http.io.HttpClientResponseHandler;
import org.apache.hc.core5.util.Timeout;

import com.helger.http.header.HttpHeaderMap;
import com.helger.http.tls.ETLSVersion;
import com.helger.http.tls.TLSConfigurationMode;
import com.helger.httpclient.HttpClientFactory;
import com.helger.httpclient.HttpClientSettings;
import com.helger.json.IJsonObject;
import com.helger.phase4.client.IAS4RetryCallback;
import com.helger.phase4.dump.IAS4OutgoingDumper;
import com.helger.phase4.messaging.http.BasicHttpPoster;
import com.helger.phase4.messaging.http.HttpRetrySettings;
import com.helger.phase4.util.AS4ResourceHelper;

/** How messages leave: phase4's own HTTP client with our TLS. */
final class Http {
  private final Keys keys;

  Http(Keys keys) {
    this.keys = keys;
  }

  /** phase4's poster, with our TLS; sends the same bytes {@code repeat} times and keeps every answer. */
  BasicHttpPoster poster(IJsonObject options, Answers answers) throws GeneralSecurityException {
    long repeat = Json.number(options, "repeat", 1);
    BasicHttpPoster poster = new BasicHttpPoster() {
      @Override
      public <T> T sendGenericMessageWithRetries(
          String url,
          HttpHeaderMap headers,
          HttpEntity entity,
          String messageId,
          HttpRetrySettings retries,
          HttpClientResponseHandler<? extends T> handler,
          IAS4OutgoingDumper dumper,
          IAS4RetryCallback callback)
          throws IOException {
        HttpEntity sent = entity;
        if (repeat > 1) {
          try (AS4ResourceHelper resources = new AS4ResourceHelper()) {
            sent = resources.createRepeatableHttpEntity(entity);
            T answer = null;
            for (long n = 0; n < repeat; n++) {
              answer = once(url, headers, sent, messageId, retries, handler, dumper, callback);
            }
            return answer;
          }
        }
        return once(url, headers, sent, messageId, retries, handler, dumper, callback);
      }

      private <T> T once(
          String url,
          HttpHeaderMap headers,
          HttpEntity entity,
          String messageId,
          HttpRetrySettings retries,
          HttpClientResponseHandler<? extends T> handler,
          IAS4OutgoingDumper dumper,
          IAS4RetryCallback callback)
          throws IOException {
        T answer = super.sendGenericMessageWithRetries(
            url, headers, entity, messageId, retries, handler, dumper, callback);
        if (answer instanceof byte[] body) {
          answers.body(body);
        }
        return answer;
      }
    };
    poster.setHttpClientFactory(new HttpClientFactory(clientSettings(options)));
    return poster;
  }

  private HttpClientSettings clientSettings(IJsonObject options) throws GeneralSecurityException {
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(keys.tlsTrust());
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    HttpClientSettings settings = new HttpClientSettings();
    settings.setSSLContext(context);
    String version = Json.text(options, "tls");
    if (version != null) {
      settings.setTLSConfigurationMode(new TLSConfigurationMode(
          new ETLSVersion[] {ETLSVersion.getFromIDOrNull(version)}, context.getDefaultSSLParameters().getCipherSuites()));
    }
    settings.setRetryCount(0);
    settings.setRetryInterval(Duration.ZERO);
    settings.setConnectTimeout(Timeout.ofSeconds(10));
    settings.setResponseTimeout(Timeout.ofSeconds(Json.number(options, "timeout_s", 60)));
    return settings;
  }
}
