package uk.passerelle.interop;

import java.util.ArrayList;
import java.util.List;

import com.helger.json.IJson;
import com.helger.json.IJsonArray;
import com.helger.json.IJsonObject;
import com.helger.json.JsonArray;
import com.helger.json.JsonObject;
import com.helger.phase4.ebms3header.Ebms3Error;
import com.helger.phase4.ebms3header.Ebms3Property;

/** Small helpers around ph-json: absent and null are the same here. */
final class Json {
  private Json() {}

  static String text(IJsonObject from, String name) {
    IJson value = from.get(name);
    return value == null || !value.isValue() ? null : value.getAsValue().getAsString();
  }

  static String text(IJsonObject from, String name, String otherwise) {
    String value = text(from, name);
    return value == null ? otherwise : value;
  }

  static boolean flag(IJsonObject from, String name, boolean otherwise) {
    IJson value = from.get(name);
    return value == null || !value.isValue() ? otherwise : value.getAsValue().getAsBoolean(otherwise);
  }

  static long number(IJsonObject from, String name, long otherwise) {
    IJson value = from.get(name);
    return value == null || !value.isValue() ? otherwise : value.getAsValue().getAsLong(otherwise);
  }

  /** The objects of a list; empty when there is none. */
  static List<IJsonObject> objects(IJsonObject from, String name) {
    List<IJsonObject> found = new ArrayList<>();
    IJson value = from.get(name);
    if (value != null && value.isArray()) {
      for (IJson item : value.getAsArray()) {
        found.add(item.getAsObject());
      }
    }
    return found;
  }

  static List<String> texts(IJsonObject from, String name) {
    List<String> found = new ArrayList<>();
    IJson value = from.get(name);
    if (value != null && value.isArray()) {
      for (IJson item : value.getAsArray()) {
        found.add(item.getAsValue().getAsString());
      }
    }
    return found;
  }

  static JsonObject property(Ebms3Property property) {
    JsonObject object = new JsonObject();
    object.add("name", property.getName());
    object.addIfNotNull("value", (Object) property.getValue());
    object.addIfNotNull("type", (Object) property.getType());
    return object;
  }

  static IJsonArray properties(Iterable<Ebms3Property> properties) {
    JsonArray array = new JsonArray();
    for (Ebms3Property property : properties) {
      array.add(property(property));
    }
    return array;
  }

  static JsonObject error(Ebms3Error error) {
    JsonObject object = new JsonObject();
    object.addIfNotNull("code", (Object) error.getErrorCode());
    object.addIfNotNull("severity", (Object) error.getSeverity());
    object.addIfNotNull("short", (Object) error.getShortDescription());
    object.addIfNotNull("detail", (Object) error.getErrorDetail());
    object.addIfNotNull("ref", (Object) error.getRefToMessageInError());
    return object;
  }

  /** The chain of messages of an exception, outermost first. */
  static String chain(Throwable thrown) {
    StringBuilder text = new StringBuilder();
    for (Throwable at = thrown; at != null; at = at.getCause()) {
      text.append(text.isEmpty() ? "" : " <- ").append(at.getClass().getSimpleName()).append(": ").append(at.getMessage());
    }
    return text.toString();
  }
}
