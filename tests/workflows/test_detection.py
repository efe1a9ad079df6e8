import inspect

from clinica_t1nce.workflows.detection import OUTPUTS

from clinica_t1nce.workflows import init_detection_wf


def test_every_setting_reaches_every_batch(tmp_path):
    wf = init_detection_wf(
        model="m",
        device="cuda",
        n_batches=2,
        n_threads=2,
        memory_gb=5.0,
        continue_on_error=True,
        dataset_root=tmp_path,
        journal_dir=tmp_path,
        name="wf",
    )
    for index in range(2):
        node = wf.get_node(f"batch_{index}")
        assert (node.inputs.model, node.inputs.device, node.inputs.n_threads) == ("m", "cuda", 2)
        assert node.inputs.continue_on_error is True
        assert node.inputs.dataset_root == node.inputs.journal_dir == str(tmp_path)
        assert node.is_gpu_node()
        assert (node.n_procs, node.mem_gb) == (2, 5.0)
    assert wf.get_node("batch_2") is None
    assert set(wf.get_node("outputnode").outputs.get()) == set(OUTPUTS)


def test_settings_are_keywords_and_documented():
    parameters = inspect.signature(init_detection_wf).parameters
    assert all(item.kind is inspect.Parameter.KEYWORD_ONLY for item in parameters.values())
    document = inspect.getdoc(init_detection_wf)
    assert all(f"\n{name}\n" in document for name in (*parameters, *OUTPUTS, "in_files"))
