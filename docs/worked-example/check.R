# The p-values of mvd compare --table counts.csv, by R: Rscript check.R in this folder (package exactRankTests)
suppressMessages(library(exactRankTests))
counts <- read.csv("counts.csv", comment.char = "#")
counts$mvd <- round(counts$count / counts$area_mm2, 9)
wide <- reshape(counts[c("patient", "response", "timepoint", "mvd")], idvar = c("patient", "response"),
                timevar = "timepoint", direction = "wide")
names(wide) <- sub("mvd.", "", names(wide), fixed = TRUE)
wide$earliest <- ifelse(is.na(wide$`3mo`), wide$`6mo`, wide$`3mo`)
p <- c()
for (post in c("3mo", "6mo", "earliest")) {
  change <- round(wide[[post]] - wide$pre, 9)
  p[paste(post, "vs pre")] <- wilcox.exact(change[!is.na(change)])$p.value
  p[paste("change", post, "vs pre by response")] <- wilcox.exact(change ~ factor(wide$response))$p.value
  p[paste(post, "by response")] <- wilcox.exact(wide[[post]] ~ factor(wide$response))$p.value
}
print(cbind(p = signif(p, 9)))
