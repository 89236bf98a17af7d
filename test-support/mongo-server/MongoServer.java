import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.wire.message.MongoMessage;
import io.netty.channel.Channel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.h2.mvstore.MVStore;

/**
 * A server that speaks MongoDB's protocol, for the tests of machines that have no mongod:
 * mongo-java-server, with its data in one file.
 *
 * <p>Usage: {@code MongoServer HOST PORT DATA_FILE}. With {@code MONGO_USER} and {@code
 * MONGO_PASSWORD} in the environment it asks every connection for them, by SCRAM-SHA-256.
 *
 * <p>It has no transactions, change streams, pipeline updates, explain or collations, and it reads
 * no index but unique ones: it proves what is answered, not how it was found.
 */
public final class MongoServer {
  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 3) {
      System.err.println("usage: MongoServer HOST PORT DATA_FILE");
      System.exit(2);
    }
    Path file = Path.of(arguments[2]).toAbsolutePath();
    Files.createDirectories(file.getParent());
    // Commits are made below, before each answer, and not by a timer, up to a second later.
    MVStore store = new MVStore.Builder().fileName(file.toString()).autoCommitDisabled().open();
    String user = System.getenv("MONGO_USER");
    Scram scram = user == null ? null : new Scram(user, System.getenv("MONGO_PASSWORD"));
    var backend = new DurableBackend(store, scram);
    backend.version(new CurrentVersion());
    var server = new de.bwaldvogel.mongo.MongoServer(backend);
    server.bind(arguments[0], Integer.parseInt(arguments[1]));
    Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
    System.out.println("listening on " + server.getLocalAddress());
  }

  /** Drivers refuse to talk to a server older than 4.4, which is what the library calls itself. */
  private static final class CurrentVersion implements MongoVersion {
    @Override
    public List<Integer> getVersionArray() {
      return List.of(5, 0, 0);
    }

    @Override
    public int getWireVersion() {
      return 13;
    }
  }

  /** Has each change in the file before it answers, and lets in who knows the password. */
  private static final class DurableBackend extends H2Backend {
    /** What may be asked before the password. */
    private static final Set<String> OPEN_COMMANDS =
        Set.of("hello", "isMaster", "ismaster", "ping", "buildInfo", "buildinfo", "endSessions");

    private final Scram scram;
    private final Map<Channel, Scram.Conversation> conversations = new ConcurrentHashMap<>();

    DurableBackend(MVStore store, Scram scram) {
      super(store);
      this.scram = scram;
    }

    @Override
    public void handleClose(Channel channel) {
      conversations.remove(channel);
      super.handleClose(channel);
    }

    @Override
    public Document handleCommand(
        Channel channel, String database, String command, Document request) {
      Document answer = super.handleCommand(channel, database, command, request);
      if (command.equalsIgnoreCase("isMaster")) {
        answer.append("isWritablePrimary", true);
        if (scram != null) {
          answer.append("saslSupportedMechs", List.of(Scram.MECHANISM));
        }
      }
      return answer;
    }

    @Override
    public Document handleMessage(MongoMessage message) {
      Document request = message.getDocument();
      Channel channel = message.getChannel();
      String command = request.keySet().iterator().next();
      if (scram != null) {
        Scram.Conversation talk =
            conversations.computeIfAbsent(channel, ignored -> scram.conversation());
        if (command.equals("saslStart") || command.equals("saslContinue")) {
          return talk.answer(command, request);
        }
        if (!talk.isOver() && !OPEN_COMMANDS.contains(command)) {
          return Scram.failure(13, "Unauthorized", command + " requires authentication");
        }
      }
      // The library knows the command by its older name only.
      if (command.equals("hello")) {
        return handleCommand(channel, message.getDatabaseName(), "isMaster", request);
      }
      try {
        return super.handleMessage(message);
      } finally {
        getMvStore().commit();
      }
    }
  }
}
