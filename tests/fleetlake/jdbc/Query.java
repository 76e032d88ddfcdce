import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.Properties;
import org.duckdb.DuckDBConnection;

/**
 * Opens DuckDB as Metabase's driver does, and prints what each query finds: a line a row, columns by tabs.
 *
 * java Query.java URL PROPERTIES INIT_SQL QUERIES: files of properties, of the statements that the driver runs
 * on a new connection, and of a query a line. "columns SCHEMA TABLE" asks the metadata for names and remarks.
 */
public class Query {
    public static void main(String[] arguments) throws Exception {
        Properties properties = new Properties();
        try (var reader = Files.newBufferedReader(Path.of(arguments[1]))) {
            properties.load(reader);
        }
        String initSql = Files.readString(Path.of(arguments[2]));
        List<String> queries = Files.readAllLines(Path.of(arguments[3]));
        try (Connection pooled = DriverManager.getConnection(arguments[0], properties)) {
            run(pooled, initSql);
            // The driver looks at tables through a copy of its connection, on which it runs the same again.
            try (Connection copied = pooled.unwrap(DuckDBConnection.class).duplicate()) {
                run(copied, initSql);
                for (String query : queries) {
                    System.out.println("> " + query);
                    print(copied, query);
                }
            }
        }
    }

    private static void run(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute(sql);
        }
    }

    private static void print(Connection connection, String query) throws SQLException {
        String[] words = query.split(" ");
        if (words[0].equals("columns")) {
            try (ResultSet found = connection.getMetaData().getColumns(null, words[1], words[2], null)) {
                while (found.next()) {
                    System.out.println(found.getString("COLUMN_NAME") + "\t" + found.getString("REMARKS"));
                }
            }
            return;
        }
        try (Statement statement = connection.createStatement(); ResultSet found = statement.executeQuery(query)) {
            int columns = found.getMetaData().getColumnCount();
            while (found.next()) {
                StringBuilder line = new StringBuilder();
                for (int column = 1; column <= columns; column++) {
                    line.append(column == 1 ? "" : "\t").append(found.getString(column));
                }
                System.out.println(line);
            }
        }
    }
}
