import de.bwaldvogel.mongo.bson.BinData;
import de.bwaldvogel.mongo.bson.Document;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import javax.crypto.Mac;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;
import javax.crypto.spec.SecretKeySpec;

/** The server's side of SCRAM-SHA-256 (RFC 5802 and RFC 7677) for one user. */
final class Scram {
  static final String MECHANISM = "SCRAM-SHA-256";

  /** The least that drivers accept is 4096. */
  private static final int ITERATIONS = 15_000;

  private final String user;
  private final byte[] salt = random(28);
  private final byte[] saltedPassword;

  Scram(String user, String password) throws GeneralSecurityException {
    this.user = user;
    var key = new PBEKeySpec(password.toCharArray(), salt, ITERATIONS, 256);
    saltedPassword =
        SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(key).getEncoded();
  }

  Conversation conversation() {
    return new Conversation();
  }

  static Document failure(int code, String name, String message) {
    return new Document("ok", 0.0)
        .append("errmsg", message)
        .append("code", code)
        .append("codeName", name);
  }

  /** The messages of one connection. */
  final class Conversation {
    private String clientFirst;
    private String serverFirst;
    private volatile boolean over;

    boolean isOver() {
      return over;
    }

    synchronized Document answer(String command, Document request) {
      try {
        byte[] payload = ((BinData) request.get("payload")).getData();
        String message = new String(payload, StandardCharsets.UTF_8);
        if (command.equals("saslStart")) {
          return begin(request.get("mechanism"), message);
        }
        return over ? reply("", true) : conclude(message);
      } catch (GeneralSecurityException | RuntimeException malformed) {
        return refusal();
      }
    }

    private Document begin(Object mechanism, String message) {
      if (!MECHANISM.equals(mechanism)) {
        return failure(334, "MechanismUnavailable", "only " + MECHANISM + " is known here");
      }
      clientFirst = message.substring(message.indexOf("n="));
      String nonce = attribute(clientFirst, "r") + base64(random(18));
      serverFirst = "r=" + nonce + ",s=" + base64(salt) + ",i=" + ITERATIONS;
      return reply(serverFirst, false);
    }

    private Document conclude(String message) throws GeneralSecurityException {
      String withoutProof = message.substring(0, message.lastIndexOf(",p="));
      String all = clientFirst + "," + serverFirst + "," + withoutProof;
      byte[] clientKey = hmac(saltedPassword, "Client Key");
      byte[] expected = hmac(MessageDigest.getInstance("SHA-256").digest(clientKey), all);
      for (int i = 0; i < expected.length; i++) {
        expected[i] ^= clientKey[i];
      }
      byte[] proof = Base64.getDecoder().decode(attribute(message, "p"));
      String nonce = attribute(serverFirst, "r");
      boolean known =
          attribute(clientFirst, "n").equals(user)
              && attribute(withoutProof, "r").equals(nonce)
              && MessageDigest.isEqual(proof, expected);
      if (!known) {
        return refusal();
      }
      over = true;
      return reply("v=" + base64(hmac(hmac(saltedPassword, "Server Key"), all)), true);
    }
  }

  private static Document refusal() {
    return failure(18, "AuthenticationFailed", "Authentication failed.");
  }

  private static Document reply(String payload, boolean done) {
    return new Document("conversationId", 1)
        .append("done", done)
        .append("payload", new BinData(payload.getBytes(StandardCharsets.UTF_8)))
        .append("ok", 1.0);
  }

  private static String attribute(String message, String name) {
    for (String part : message.split(",")) {
      if (part.startsWith(name + "=")) {
        return part.substring(2);
      }
    }
    throw new IllegalArgumentException("no attribute " + name);
  }

  private static byte[] hmac(byte[] key, String text) throws GeneralSecurityException {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal(text.getBytes(StandardCharsets.UTF_8));
  }

  private static String base64(byte[] bytes) {
    return Base64.getEncoder().encodeToString(bytes);
  }

  private static byte[] random(int length) {
    byte[] bytes = new byte[length];
    new SecureRandom().nextBytes(bytes);
    return bytes;
  }
}
