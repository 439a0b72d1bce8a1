package uk.passerelle.interop;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

import com.helger.json.IJson;
import com.helger.json.IJsonObject;
import com.helger.json.JsonObject;
import com.helger.json.serialize.JsonReader;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;

/** The control API on loopback: JSON in, JSON out. */
final class Control {
  /** One operation of the API. */
  interface Operation {
    IJson run(IJsonObject options) throws Exception;
  }

  private final HttpServer server;

  Control(int port) throws IOException {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 0);
    server.setExecutor(Executors.newCachedThreadPool(runnable -> {
      Thread thread = new Thread(runnable, "control");
      thread.setDaemon(true);
      return thread;
    }));
  }

  void on(String path, Operation operation) {
    server.createContext(path, exchange -> answer(exchange, operation));
  }

  void start() {
    server.start();
  }

  private static void answer(HttpExchange exchange, Operation operation) throws IOException {
    int status = 200;
    IJson result;
    try {
      String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
      IJsonObject options = body.isBlank() ? new JsonObject() : JsonReader.readFromString(body).getAsObject();
      result = operation.run(options);
    } catch (Exception e) {
      status = 500;
      result = new JsonObject().add("failure", Json.chain(e));
      e.printStackTrace();
    }
    byte[] content = result.getAsJsonString().getBytes(StandardCharsets.UTF_8);
    exchange.getResponseHeaders().set("Content-Type", "application/json");
    exchange.sendResponseHeaders(status, content.length);
    exchange.getResponseBody().write(content);
    exchange.close();
  }
}
