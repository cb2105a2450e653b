package runstone;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInfo;
import org.junit.jupiter.api.io.TempDir;
import org.mlflow.api.proto.ModelRegistry.ModelVersion;
import org.mlflow.api.proto.Service.CreateRun;
import org.mlflow.api.proto.Service.Experiment;
import org.mlflow.api.proto.Service.Metric;
import org.mlflow.api.proto.Service.Param;
import org.mlflow.api.proto.Service.Run;
import org.mlflow.api.proto.Service.RunInfo;
import org.mlflow.api.proto.Service.RunStatus;
import org.mlflow.api.proto.Service.RunTag;
import org.mlflow.api.proto.Service.ViewType;
import org.mlflow.tracking.MlflowClient;
import org.mlflow.tracking.MlflowClientException;
import org.mlflow.tracking.RunsPage;

/** The public calls of MLflow's Java client, against the server that MLFLOW_TRACKING_URI names. */
class ClientTest {
  private final MlflowClient client = new MlflowClient();
  private String experiment;

  @BeforeEach
  void open(TestInfo test) {
    experiment = client.createExperiment("java " + test.getDisplayName() + " " + System.nanoTime());
  }

  @AfterEach
  void close() {
    client.close();
  }

  @Test
  void experiments() {
    String name = client.getExperiment(experiment).getName();
    assertEquals(experiment, client.getExperimentByName(name).orElseThrow().getExperimentId());
    assertTrue(client.getExperimentByName("java never made").isEmpty());
    client.setExperimentTag(experiment, "k", "v");
    assertEquals("v", client.getExperiment(experiment).getTags(0).getValue());
    client.renameExperiment(experiment, name + " renamed");
    List<Experiment> found = client.searchExperiments("name = '" + name + " renamed'").getItems();
    assertEquals(List.of(experiment), found.stream().map(Experiment::getExperimentId).toList());
    assertEquals(1, client.searchExperiments("", ViewType.ACTIVE_ONLY, 1, List.of("name ASC")).getItems().size());
    client.deleteExperiment(experiment);
    assertEquals("deleted", client.getExperiment(experiment).getLifecycleStage());
    client.restoreExperiment(experiment);
    assertEquals("active", client.getExperiment(experiment).getLifecycleStage());
    assertThrows(MlflowClientException.class, () -> client.createExperiment(name + " renamed"));
  }

  @Test
  void runs() {
    RunInfo made =
        client.createRun(CreateRun.newBuilder().setExperimentId(experiment).setUserId("ann").setStartTime(1000).build());
    String id = made.getRunId();
    client.logParam(id, "p", "1");
    client.logMetric(id, "m", 0.5);
    client.logMetric(id, "curve", 1.5, 10, 1);
    client.logMetric(id, "curve", 0.5, 20, 2);
    client.logMetric(id, "nan", Double.NaN, 1, 0);
    client.setTag(id, "t", "1");
    client.setTag(id, "gone", "1");
    client.deleteTag(id, "gone");
    List<Metric> points = new ArrayList<>();
    for (int i = 0; i < 1000; i++) {
      points.add(Metric.newBuilder().setKey("batch").setValue(i / 8.0).setTimestamp(i).setStep(i).build());
    }
    client.logBatch(id, points, List.of(), List.of());
    client.logBatch(
        id,
        List.of(),
        List.of(Param.newBuilder().setKey("q").setValue("2").build()),
        List.of(RunTag.newBuilder().setKey("b").setValue("x").build()));
    client.setTerminated(id, RunStatus.FINISHED, 5000);

    Run run = client.getRun(id);
    assertEquals(RunStatus.FINISHED, run.getInfo().getStatus());
    assertEquals(List.of(1000L, 5000L), List.of(run.getInfo().getStartTime(), run.getInfo().getEndTime()));
    assertEquals(List.of("1", "2"), run.getData().getParamsList().stream().map(Param::getValue).sorted().toList());
    assertTrue(run.getData().getMetricsList().stream().anyMatch(m -> m.getKey().equals("nan") && Double.isNaN(m.getValue())));
    assertFalse(run.getData().getTagsList().stream().anyMatch(t -> t.getKey().equals("gone")));
    assertEquals(List.of(1.5, 0.5), client.getMetricHistory(id, "curve").stream().map(Metric::getValue).toList());
    assertEquals(1000, client.getMetricHistory(id, "batch").size());

    client.deleteRun(id);
    assertEquals("deleted", client.getRun(id).getInfo().getLifecycleStage());
    assertThrows(MlflowClientException.class, () -> client.logParam(id, "late", "1"));
    client.restoreRun(id);
    assertThrows(MlflowClientException.class, () -> client.logParam(id, "p", "2"));
    assertThrows(MlflowClientException.class, () -> client.getRun("0".repeat(32)));
  }

  @Test
  void search() {
    for (int i = 0; i < 5; i++) {
      String id = client.createRun(experiment).getRunId();
      client.logMetric(id, "m", i);
      client.logParam(id, "odd", String.valueOf(i % 2));
      client.setTerminated(id);
    }
    List<String> experiments = List.of(experiment);
    assertEquals(2, client.searchRuns(experiments, "metrics.m > 0 AND params.odd = '1'").size());
    assertEquals(0, client.searchRuns(experiments, "", ViewType.DELETED_ONLY).size());
    assertEquals(5, client.listRunInfos(experiment).size());
    RunsPage page = client.searchRuns(experiments, "", ViewType.ALL, 2, List.of("metrics.m DESC"));
    List<Double> values = new ArrayList<>();
    while (true) {
      page.getItems().forEach(run -> values.add(client.getMetricHistory(run.getInfo().getRunId(), "m").get(0).getValue()));
      if (!page.hasNextPage()) {
        break;
      }
      page = (RunsPage) page.getNextPage();
    }
    assertEquals(List.of(4.0, 3.0, 2.0, 1.0, 0.0), values);
    assertThrows(MlflowClientException.class, () -> client.searchRuns(experiments, "nothing.m > 1"));
  }

  @Test
  void artifacts(@TempDir Path dir) throws Exception {
    String id = client.createRun(experiment).getRunId();
    File file = Files.writeString(dir.resolve("a.txt"), "alone").toFile();
    Path tree = Files.createDirectories(dir.resolve("tree/sub"));
    Files.writeString(tree.resolve("b.txt"), "deep");
    client.logArtifact(id, file);
    client.logArtifact(id, file, "put");
    client.logArtifacts(id, dir.resolve("tree").toFile(), "tree");
    assertEquals(List.of("a.txt", "put", "tree"), client.listArtifacts(id).stream().map(f -> f.getPath()).sorted().toList());
    assertEquals(4, client.listArtifacts(id, "tree/sub").get(0).getFileSize());
    File got = client.downloadArtifacts(id, "tree");
    assertEquals("deep", Files.readString(got.toPath().resolve("sub/b.txt")));
    assertEquals("alone", Files.readString(client.downloadArtifacts(id).toPath().resolve("put/a.txt")));
  }

  @Test
  void registry(@TempDir Path dir) throws Exception {
    RunInfo run = client.createRun(experiment);
    client.logArtifact(run.getRunId(), Files.writeString(dir.resolve("MLmodel"), "flavors: {}\n").toFile(), "model");
    String name = "java-model-" + System.nanoTime();
    client.sendPost("registered-models/create", "{\"name\": \"" + name + "\"}");
    for (int i = 0; i < 3; i++) {
      client.sendPost(
          "model-versions/create",
          "{\"name\": \"" + name + "\", \"source\": \"" + run.getArtifactUri() + "/model\", \"run_id\": \"" + run.getRunId() + "\"}");
    }
    client.sendPatch("registered-models/update", "{\"name\": \"" + name + "\", \"description\": \"words\"}");
    client.sendPost("model-versions/transition-stage", "{\"name\": \"" + name + "\", \"version\": \"2\", \"stage\": \"Staging\"}");
    assertEquals("words", client.getRegisteredModel(name).getDescription());
    assertEquals("2", client.getLatestVersions(name, List.of("Staging")).get(0).getVersion());
    assertEquals(2, client.getLatestVersions(name).size());
    assertEquals(run.getRunId(), client.getModelVersion(name, "1").getRunId());
    assertEquals(run.getArtifactUri() + "/model", client.getModelVersionDownloadUri(name, "1"));
    assertEquals("flavors: {}\n", Files.readString(client.downloadModelVersion(name, "1").toPath().resolve("MLmodel")));
    assertTrue(client.downloadLatestModelVersion(name, "Staging").isDirectory());
    var page = client.searchModelVersions("name = '" + name + "'", 2, List.of("version_number ASC"));
    assertEquals(List.of("1", "2"), page.getItems().stream().map(ModelVersion::getVersion).toList());
    assertTrue(page.hasNextPage());
    assertTrue(page.getNextPage().getItems().iterator().hasNext());
    assertTrue(client.sendGet("registered-models/get?name=" + name.replace(" ", "%20")).contains(name));
  }
}
