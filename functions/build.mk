# How `sam build` gets a function (BuildMethod: makefile in template.yaml): all functions are compiled at once, by one call
# of cargo for which the second function is no work any more, and each takes its own program. SAM has to build in the
# source folder for that, as samconfig.toml says (build_in_source).
.PHONY: build-%
build-%:
	@$(MAKE) --no-print-directory --directory ../.. lambda
	@cp ../../target/lambda/$(notdir $(CURDIR))/bootstrap "$(ARTIFACTS_DIR)/bootstrap"
